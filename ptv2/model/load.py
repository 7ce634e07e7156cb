"""Artifacts joined to their backbone again, ready to predict: one, or several that share it."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone, load_backbone
from ptv2.config.cards import make_card
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import KINDS, kind_of, reads_of
from ptv2.kinds.texts import PooledHead
from ptv2.methods import method_named
from ptv2.model.kept import load_kept
from ptv2.model.prompted import PromptedModel
from ptv2.runtime.imports import loaded


def load_artifact_backbone(artifact: Artifact, config: Config, allow_other_precision: bool = False) -> Backbone:
    """Load the backbone that an artifact was made with.

    Args:
        artifact: as read.
        config: the artifact's, see `artifact_config`.
        allow_other_precision: take weights that were saved in another precision, if they are the same once cast.

    Raises:
        UserError: it cannot be loaded, or is another one.
    """
    reads = reads_of(config.tasks.values())
    try:
        backbone = load_backbone(config.backbone, reads, casts=allow_other_precision)
    except UserError as error:
        moved = str(error).startswith("backbone.name") and config.backbone.name == artifact.config["backbone"]["name"]
        if not moved:
            raise
        raise UserError(str(error), do="if it has moved, give backbone.name=NEW") from error
    artifact.check_backbone(backbone, allow_other_precision)
    return backbone


def artifact_tasks(
    artifact: Artifact, config: Config, backbone: Backbone, tokenizer: PreTrainedTokenizerBase | None = None
) -> dict[str, TaskData]:
    """Make the artifact's tasks with their label names and no rows: what its heads need to be built.

    Args:
        artifact: as read.
        config: the artifact's, see `artifact_config`.
        backbone: see `load_artifact_backbone`.
        tokenizer: that reads the rows, where another thread uses the backbone's own.
    """
    return {
        name: TaskData(
            card,
            tokenizer or backbone.tokenizer,
            labels=artifact.labels(name),
            splits=(),
            labelled=False,
            decoder_only=not backbone.is_encoder_decoder,
            notices_to=sys.stderr,
        )
        for name, card in config.tasks.items()
    }


def load_module(artifact: Artifact, config: Config, backbone: Backbone, tasks: dict[str, TaskData]) -> PromptedModel:
    """Join the artifact to its backbone, in eval mode, ready to predict.

    Args:
        artifact: as read.
        config: the artifact's, see `artifact_config`.
        backbone: see `load_artifact_backbone`.
        tasks: task data by name; the names are the artifact's.

    Raises:
        UserError: the weights do not fit the config.
    """
    module = PromptedModel(config, backbone, tasks)
    load_kept(module, artifact.weights, where=str(artifact.path))
    return module.eval()


def artifact_config(artifact: Artifact, overrides: list[str] | None = None, imports: Sequence[str] = ()) -> Config:
    """Make the config that an artifact was trained with.

    Args:
        artifact: as read.
        overrides: `key=value`.
        imports: Python files; an artifact never runs one by itself, so those that it names have to be given.

    Raises:
        UserError: a file that it names is not given, or an override that cannot be.
    """
    values = json.loads(json.dumps(artifact.config))
    given = {Path(file).name for file in imports} | {path.name for path in loaded}
    for file in values.get("import", []):
        if Path(file).name not in given:
            what = f"needs the Python file {Path(file).name}, and an artifact runs no code by itself"
            raise UserError(what, where=artifact.path, do=f"give it with --import {file}")
    values["import"] = list(map(str, imports))
    return make_config(values, overrides or [], where=str(artifact.path))


def merged(artifacts: Sequence[Artifact]) -> Artifact:
    """Join artifacts into one with the tasks of all, each with its own prompt, so that one batch serves them all.

    Raises:
        UserError: two tasks of one name, other backbones, methods or weights that were drawn, prompts of other shapes.
    """
    first, *others = artifacts
    if not others:
        return first
    config: dict[str, Any] = json.loads(json.dumps(first.config))
    if pooled := [artifact for artifact in artifacts if any(map(_pools, artifact.tasks.values()))]:
        config["head"]["pooling"] = pooled[0].config["head"]["pooling"]
        for other in pooled[1:]:
            _check_values(pooled[0], other, ["head.pooling"])
    for other in others:
        _check_alike(first, other)
        for name, card in other.tasks.items():
            if name in config["tasks"]:
                do = f"predict with {other.path} in a separate call"
                raise UserError(f"task '{name}' is in another artifact too", where=other.path, do=do)
            config["tasks"][name] = card
        files = config.get("import", [])
        if more := [file for file in other.config.get("import", []) if file not in files]:
            config["import"] = [*files, *more]
    about = first.about | {"config": config, "labels": {k: v for a in artifacts for k, v in a.about["labels"].items()}}
    weights = {k: v for a in artifacts for k, v in a.weights.items() if not k.startswith("prompt.")}
    for method in first.methods:
        if method_named(method, first.path).has_prompts:
            config["prompt"]["sharing"] = "task"
            state = _prompt_of_each([artifact.part(method) for artifact in artifacts])
        else:
            state = first.part(method).state("prompt.")  # the same in all, see `_check_alike`
        prefix = f"prompt.{method}." if len(first.methods) > 1 else "prompt."
        weights |= {f"{prefix}{name}": tensor for name, tensor in state.items()}
    return Artifact(first.path, about, weights)


def _prompt_of_each(artifacts: Sequence[Artifact]) -> dict[str, Tensor]:
    """Return the state of a prompt that has each task's own."""
    state: dict[str, Tensor] = {}
    gates: list[list[Tensor]] = []
    for artifact in artifacts:
        for name in artifact.tasks:
            state |= {f"own.{name}.rows.{i}": row for i, row in enumerate(artifact.prompt_vectors(name))}
            gates.append(artifact.gates([], name))
    return state | {f"gates.{i}": torch.stack(of_tasks) for i, of_tasks in enumerate(zip(*gates, strict=True))}


def check_one_backbone(first: Artifact, other: Artifact) -> None:
    """Refuse artifacts of different backbones in one call.

    Raises:
        UserError: weights or tokenizer differ.
    """
    for what in ("weights", "tokenizer"):
        if first.about["backbone"][what] != other.about["backbone"][what]:
            names = f"'{first.about['backbone']['name']}' and '{other.about['backbone']['name']}'"
            what = f"was made for another backbone than {first.path} ({names}: their {what} differ)"
            raise UserError(what, where=other.path, do="use each in a separate call")


OF_PROMPTS = ("form", "length", "layers", "gate", "token_gate", "position_offset")
ALWAYS = ("backbone.dtype", "backbone.quantize")


def _alike(artifact: Artifact) -> list[str]:
    """List the keys in which artifacts of one pass must not differ, as far as they matter to this one."""
    config, keys = artifact.prompt_config(), [*ALWAYS]
    if any(method_named(method, artifact.path).has_prompts for method in artifact.methods):
        keys += [f"prompt.{name}" for name in OF_PROMPTS]
        keys += ["prompt.memory"] if "memory" in config.forms else []
        keys += ["prompt.ensemble"] + (["prompt.vote"] if config.ensemble > 1 else [])
    if artifact.config.get("ptuning", {}).get("template") is not None:
        keys += ["ptuning.template", "ptuning.tune_backbone"]
    return keys


def _pools(card: dict[str, Any]) -> bool:
    """Tell whether a task's head reads one pooled vector of a text; one of a kind that is not known here may."""
    return card["kind"] not in KINDS or issubclass(kind_of(make_card(card)).head, PooledHead)


def _value(artifact: Artifact, part: str, name: str) -> Any:
    """Return a value of an artifact's config; older ones lack keys, which have their defaults then."""
    return getattr(artifact.prompt_config(), name) if part == "prompt" else artifact.config.get(part, {}).get(name)


def _check_values(first: Artifact, other: Artifact, keys: Sequence[str]) -> None:
    """Refuse artifacts in whose configs one of the keys has two values."""
    for key in keys:
        if key == "method":
            ours, theirs = first.about["method"], other.about["method"]
        else:
            ours, theirs = (_value(artifact, *key.split(".")) for artifact in (first, other))
        if ours != theirs:
            what = f"has {key} '{theirs}', {first.path} has '{ours}'"
            raise UserError(what, where=other.path, do="predict with each in a separate call")


def _check_alike(first: Artifact, other: Artifact) -> None:
    """Refuse two artifacts that one pass through one backbone cannot serve."""
    check_one_backbone(first, other)
    _check_values(first, other, ["method", *dict.fromkeys([*_alike(first), *_alike(other)])])
    whole = {
        "backbone weights (trained, or drawn with another seed)": (first.state("backbone."), other.state("backbone."))
    }
    for method in first.methods:
        if not method_named(method, first.path).has_prompts:
            whole[f"weights of '{method}'"] = (first.part(method).state("prompt."), other.part(method).state("prompt."))
    for of_what, (ours, theirs) in whole.items():
        if ours.keys() != theirs.keys() or any(not torch.equal(ours[name], theirs[name]) for name in ours):
            what = f"has other {of_what} than {first.path}"
            raise UserError(what, where=other.path, do="predict with each in a separate call")
