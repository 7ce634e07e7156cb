"""What a module shares: a plain artifact, which `ptv2.artifact` writes."""

from pathlib import Path
from typing import Any

from ptv2.artifact.artifact import FORMAT, Artifact
from ptv2.backbone import tokenizer_fingerprint
from ptv2.config.load import to_plain
from ptv2.model.module import PromptModule
from ptv2.runtime.environment import environment


def artifact_of(module: PromptModule, results: dict[str, Any], path: Path) -> Artifact:
    """The module's kept tensors, any projection folded away, and all that is needed to use them.

    Args:
        module: trained.
        results: of its run.
        path: the folder it is written to.
    """
    weights = {k: v.float().contiguous().cpu() for k, v in module.kept_state().items()}
    config = to_plain(module.config)
    if module.prompt is not None:
        weights = {k: v for k, v in weights.items() if not k.startswith("prompt.")}
        folded = module.prompt.folded_state()
        weights |= {f"prompt.{name}": tensor.float().contiguous().cpu() for name, tensor in folded.items()}
        config["prompt"] |= {"projection": None}
    config["prompt"]["init"] = "zero"  # the values are in the weights: nothing that init named is needed again
    config["prompt"]["train"] = "all"
    config["head"]["init"] = None
    backbone = module.backbone
    about = {
        "format": FORMAT,
        "method": module.config.method,
        "backbone": {
            "name": backbone.name,
            "revision": module.config.backbone.revision,
            "family": backbone.model.config.model_type,
            "weights": backbone.fingerprint,
            "tokenizer": tokenizer_fingerprint(backbone.tokenizer),
        },
        "labels": {name: data.labels.names if data.labels else None for name, data in module.tasks.items()},
        "results": results,
        "config": config,
        "environment": environment(),
    }
    return Artifact(path, about, weights)
