"""What a module shares: a plain artifact, which `ptv2.artifact` writes."""

from pathlib import Path
from typing import Any

from ptv2.artifact.artifact import FORMAT, Artifact
from ptv2.backbone import tokenizer_fingerprint
from ptv2.config.load import to_plain
from ptv2.model.kept import ON_DISK, kept_state
from ptv2.model.prompted import PromptedModel
from ptv2.runtime.environment import environment


def artifact_of(module: PromptedModel, results: dict[str, Any], path: Path) -> Artifact:
    """Collect the module's kept tensors, any projection folded away, and all that is needed to use them.

    Args:
        module: trained.
        results: of its run.
        path: the folder it is written to.
    """
    weights = {name: tensor for name, tensor in kept_state(module).items() if not name.startswith(ON_DISK)}
    weights |= {f"{ON_DISK}{name}": tensor for name, tensor in module.method.exported().items()}
    weights = {name: tensor.float().contiguous().cpu() for name, tensor in weights.items()}
    config = to_plain(module.config)
    # The values are in the weights: nothing that made them is needed again.
    config["prompt"] |= {"projection": None, "residual": None, "norm": "none", "init": "zero", "train": "all"}
    config["head"]["init"] = None
    config = module.method.exported_config(config)
    backbone = module.backbone
    about = {
        "format": FORMAT,
        "method": module.config.method_name,
        "backbone": {
            "name": backbone.name,
            "revision": module.config.backbone.revision,
            "family": backbone.model.config.model_type,
            "weights": backbone.fingerprint,
            "tokenizer": tokenizer_fingerprint(backbone.tokenizer),
            **backbone.stored,
        },
        "labels": {name: data.labels.names if data.labels else None for name, data in module.tasks.items()},
        "results": results,
        "config": config,
        "environment": environment(),
    }
    return Artifact(path, about, weights)
