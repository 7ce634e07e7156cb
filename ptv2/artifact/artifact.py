"""The artifact: the folder that people share. Prompt, heads and whatever else was trained or drawn at random.

prompt/weights.safetensors   float32 tensors, any projection folded away
       artifact.json         method, config, task cards with label names, fingerprints, results
       README.md             the same for a reader
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from ptv2.backbone import Backbone, tokenizer_fingerprint
from ptv2.config.merge import schema_of
from ptv2.config.names import parse_methods
from ptv2.config.schema import PromptConfig
from ptv2.errors import UserError, nearest
from ptv2.rows.labels import Labels

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
        return self.config["prompt"].get("sharing", "shared")  # older ones have one prompt and no such key

    def prompt_config(self) -> PromptConfig:
        config = OmegaConf.to_object(OmegaConf.merge(schema_of(PromptConfig), self.config["prompt"]))
        assert isinstance(config, PromptConfig)
        return config

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods that it was trained with: several for a union."""
        return parse_methods(self.about["method"], self.path)

    def part(self, method: str) -> "Artifact":
        """Return what one method of a union holds, as its own artifact would; without a union, the artifact itself."""
        if len(self.methods) == 1:
            return self
        own = {f"prompt.{name}": tensor for name, tensor in self.state(f"prompt.{method}.").items()}
        others = {name: tensor for name, tensor in self.weights.items() if not name.startswith("prompt.")}
        return replace(self, about=self.about | {"method": method}, weights=others | own)

    def state(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix`, under their names without it."""
        return {k.removeprefix(prefix): tensor for k, tensor in self.weights.items() if k.startswith(prefix)}

    def prompt_vectors(self, task: str | None = None) -> list[Tensor]:
        """Return the prompt vectors [P, F] of each slot: those of a task or, without one, those that all tasks share.

        Raises:
            UserError: the tasks share nothing.
        """
        shared, own = _ordered(self.state("prompt.rows.rows.")), f"prompt.own.{task}."
        if task is None or self.sharing == "shared":
            if self.sharing in ("task", "keys"):
                do = f"name one, e.g. artifact:{self.path}+task:{next(iter(self.tasks))}"
                raise UserError("each of its tasks has its own prompt", where=self.path, do=do)
            return shared
        if self.sharing == "task":
            return _ordered(self.state(f"{own}rows."))
        if self.sharing == "keys":
            values = _ordered(self.state(f"{own}rows."))
            return [torch.cat(pair, dim=1) for pair in zip(shared, values, strict=True)]
        factors = zip(_ordered(self.state(f"{own}u_PR.")), _ordered(self.state(f"{own}v_FR.")), strict=True)
        return [rows * (u @ v.T) for rows, (u, v) in zip(shared, factors, strict=True)]

    def gates(self, heads: Sequence[int], task: str | None = None) -> list[Tensor]:
        """Return the gates [H] of each slot for a task, or their mean over tasks; ones if trained without gates."""
        held = _ordered(self.state("prompt.gates."))
        if held and held[0].dim() == 2:
            held = [gate[list(self.tasks).index(task)] if task in self.tasks else gate.mean(0) for gate in held]
        return held or [torch.ones(h) for h in heads]

    def check_task(self, name: str) -> str:
        """Return the name of a task that the artifact holds.

        Raises:
            UserError: it holds no task of that name.
        """
        if name not in self.tasks:
            raise UserError(f"holds no task '{name}'", where=self.path, do=nearest(name, self.tasks))
        return name

    def of_backbone(self, backbone: Backbone) -> bool:
        """Tell whether the artifact was made with this backbone and tokenizer."""
        made = self.about["backbone"]
        return (made["weights"], made["tokenizer"]) == (backbone.fingerprint, tokenizer_fingerprint(backbone.tokenizer))

    def check_backbone(self, backbone: Backbone, allow_other_precision: bool = False) -> None:
        """Refuse a backbone or tokenizer that the artifact was not made with.

        Args:
            backbone: to be used.
            allow_other_precision: take weights that are the same once both are cast to one of the half precisions.

        Raises:
            UserError: a fingerprint differs.
        """
        made = self.about["backbone"]
        do = f"load it with {made['name']}" + (f" at revision {made['revision']}" if made["revision"] else "")
        what = f"was made for backbone '{made['name']}', whose %s differ from those of '{backbone.name}'"
        if made["weights"] != backbone.fingerprint and not (allow_other_precision and self._same_cast(backbone)):
            if allow_other_precision and not _casts(made):
                what += ", and it is too old to hold their fingerprints in other precisions"
            elif not allow_other_precision and (have := backbone.stored.get("dtype")) != made.get("dtype", have):
                do += f", or, if its {made['dtype']} was saved as {have}, give --allow-other-precision"
            raise UserError(what % "weights", where=self.path, do=do)
        if made["tokenizer"] != tokenizer_fingerprint(backbone.tokenizer):
            raise UserError(what % "tokenizer", where=self.path, do=do)

    def _same_cast(self, backbone: Backbone) -> bool:
        """Tell whether weights that were fingerprinted in half precisions too are the same in one of them."""
        made, have = _casts(self.about["backbone"]), _casts(backbone.stored)
        return any(made[name] == have[name] for name in made.keys() & have.keys())


def _casts(about: dict[str, str]) -> dict[str, str]:
    """Return the fingerprints of a backbone's weights in the half precisions, by name; none in older artifacts."""
    return {name: digest for name, digest in about.items() if name.startswith("weights_")}


def _ordered(rows: dict[str, Tensor]) -> list[Tensor]:
    return [rows[name] for name in sorted(rows, key=int)]
