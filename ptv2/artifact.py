"""The artifact: the folder that people share. Prompt, heads and whatever else was trained or drawn at random.

prompt/weights.safetensors   float32 tensors, any projection folded away
       artifact.json         method, config, task cards with label names, fingerprints, results
       README.md             the same for a reader
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ptv2.backbone import Backbone, tokenizer_fingerprint
from ptv2.config import PromptConfig, to_plain
from ptv2.data.labels import Labels
from ptv2.errors import UserError, nearest
from ptv2.run import environment, write_text

if TYPE_CHECKING:
    from ptv2.module import PromptModule

FORMAT = 1


@dataclass
class Artifact:
    """An artifact as read from disk, not yet joined to a backbone."""

    path: Path
    about: dict[str, Any]
    weights: dict[str, Tensor]

    @property
    def config(self) -> dict[str, Any]:
        return self.about["config"]

    @property
    def tasks(self) -> dict[str, dict[str, Any]]:
        return self.config["tasks"]

    def labels(self, task: str) -> Labels | None:
        names = self.about["labels"][task]
        return Labels(names, f"artifact {self.path}") if names is not None else None

    @property
    def sharing(self) -> str:
        return self.config["prompt"].get("sharing", "shared")  # older ones have one prompt and do not say so

    def prompt_config(self) -> PromptConfig:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(PromptConfig), self.config["prompt"]))

    def state(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin so, without it."""
        return {k.removeprefix(prefix): tensor for k, tensor in self.weights.items() if k.startswith(prefix)}

    def prompt_rows(self, task: str | None = None) -> list[Tensor]:
        """Rows [P, F] per prompted site: what a task's batches see, or, without one, what tasks share.

        Raises:
            UserError: the tasks share nothing.
        """
        shared, own = _ordered(self.state("prompt.rows.rows.")), f"prompt.own.{task}."
        if task is None or self.sharing == "shared":
            if self.sharing == "task":
                do = f"name one, e.g. artifact:{self.path}+task:{next(iter(self.tasks))}"
                raise UserError("its tasks have prompts of their own", where=self.path, do=do)
            return shared
        if self.sharing == "task":
            return _ordered(self.state(f"{own}rows."))
        factors = zip(_ordered(self.state(f"{own}u_PR.")), _ordered(self.state(f"{own}v_FR.")), strict=True)
        return [rows * (u @ v.T) for rows, (u, v) in zip(shared, factors, strict=True)]

    def gates(self, heads: Sequence[int], task: str | None = None) -> list[Tensor]:
        """Gates [H] per prompted site for a task, or the mean over tasks; ones where it was trained without."""
        held = _ordered(self.state("prompt.gates."))
        if held and held[0].dim() == 2:
            held = [gate[list(self.tasks).index(task)] if task in self.tasks else gate.mean(0) for gate in held]
        return held or [torch.ones(h) for h in heads]

    def check_task(self, name: str) -> str:
        """The name, if it is one of the tasks.

        Raises:
            UserError: it is not.
        """
        if name not in self.tasks:
            raise UserError(f"holds no task '{name}'", where=self.path, do=nearest(name, self.tasks))
        return name

    def of_backbone(self, backbone: Backbone) -> bool:
        """Whether it was made with this backbone and tokenizer."""
        made = self.about["backbone"]
        return (made["weights"], made["tokenizer"]) == (backbone.fingerprint, tokenizer_fingerprint(backbone.tokenizer))

    def check_backbone(self, backbone: Backbone) -> None:
        """Refuse a backbone or tokenizer that the artifact was not made with.

        Raises:
            UserError: a fingerprint differs.
        """
        made = self.about["backbone"]
        for what, have in (("weights", backbone.fingerprint), ("tokenizer", tokenizer_fingerprint(backbone.tokenizer))):
            if made[what] != have:
                raise UserError(
                    f"was made for backbone '{made['name']}', whose {what} differ from those of '{backbone.name}'",
                    where=self.path,
                    do=f"load it with {made['name']}"
                    + (f" at revision {made['revision']}" if made["revision"] else ""),
                )


def source(init: str | None) -> tuple[str | None, str | None]:
    """Path and task in `artifact:<path>[+task:<name>]`; None for what is not there."""
    kind, _, rest = (init or "").partition(":")
    if kind != "artifact" or not rest:
        return None, None
    path, plus, task = rest.rpartition("+task:")
    return (path, task) if plus else (rest, None)


def _ordered(rows: dict[str, Tensor]) -> list[Tensor]:
    return [rows[name] for name in sorted(rows, key=int)]


def save_artifact(folder: Path, module: "PromptModule", results: dict[str, Any]) -> None:
    """Write the module's kept tensors and what is needed to use them."""
    folder.mkdir(parents=True, exist_ok=True)
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
    save_file(weights, folder / "weights.safetensors", metadata={"format": "pt"})
    write_text(folder / "artifact.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", readable_card(about, weights))


def read_artifact(path: str | Path) -> Artifact:
    """The artifact in a folder, or in the `prompt/` of a run folder.

    Raises:
        UserError: no artifact there, an unknown format, or damaged weights.
    """
    path = Path(path)
    folder = path / "prompt" if (path / "prompt" / "artifact.json").is_file() else path
    if not (folder / "artifact.json").is_file():
        raise UserError("no artifact here (artifact.json is missing)", where=path, do="give a run's prompt/ folder")
    try:
        about = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "weights.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"cannot be read ({error})", where=folder, do="copy it again") from error
    if not isinstance(about, dict) or "format" not in about:
        raise UserError("cannot be read (artifact.json has no format)", where=folder, do="copy it again")
    if about["format"] != FORMAT:
        raise UserError(f"has format {about['format']}, this version reads {FORMAT}", where=folder)
    if missing := {"backbone", "labels", "config"} - set(about):
        raise UserError(f"cannot be read (artifact.json lacks {min(missing)})", where=folder, do="copy it again")
    return Artifact(folder, about, weights)


def readable_card(about: dict[str, Any], weights: dict[str, Tensor]) -> str:
    """A page that tells a reader what the artifact is and how to use it."""
    config, made = about["config"], about["backbone"]
    size = sum(tensor.numel() for tensor in weights.values())
    lines = [
        f"# {config['run']['name']}",
        "",
        f"Method `{about['method']}` on the frozen backbone `{made['name']}` (family {made['family']}), "
        f"{size:,} numbers in float32.",
        "",
        "| task | kind | labels |",
        "|---|---|---|",
    ]
    for name, card in config["tasks"].items():
        labels = about["labels"][name]
        lines.append(f"| {card['name']} v{card['version']} | {card['kind']} | {', '.join(labels) if labels else '-'} |")
    lines += ["", "| split | score |", "|---|---|"]
    for split, scores in about["results"].get("scores", {}).items():
        text = ", ".join(f"{task} {metric} {value:.4f}" for task, s in scores.items() for metric, value in s.items())
        lines.append(f"| {split} | {text} |")
    lines += [
        "",
        f"One run, seed {config['seed']}. Use it:",
        "",
        "    python -m ptv2.predict --artifact <this folder> --input rows.jsonl",
        "",
        f"Backbone weights sha256 {made['weights']}, tokenizer sha256 {made['tokenizer']}.",
        "",
    ]
    return "\n".join(lines)
