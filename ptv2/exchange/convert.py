"""`ptv2.convert`: what PEFT or the official P-Tuning v2 trained becomes an artifact."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ptv2.artifact.files import write_artifact
from ptv2.backbone import Backbone, load_backbone
from ptv2.backbone.families import repeats_layers
from ptv2.config.load import load_config
from ptv2.config.overrides import as_overrides
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.exchange.export import Exported
from ptv2.exchange.folder import check_free, whole_folder
from ptv2.exchange.found import Found, find
from ptv2.exchange.head_in import NAMES, head_settings, take_head
from ptv2.kinds import kind_of, reads_of
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.deep.vectors import from_official
from ptv2.methods.peft import Adapted, Lora, lora_layers
from ptv2.methods.vectors import VectorMethod
from ptv2.model.artifact_of import artifact_of
from ptv2.model.prompted import PromptedModel
from ptv2.rows.labels import labels_for


def convert(
    folder: str | Path,
    config: str | Path | Mapping[str, Any],
    output: str | Path,
    *,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    imports: Sequence[str] = (),
) -> Exported:
    """Make an artifact of what another program trained.

    Args:
        folder: that PEFT's `save_pretrained` wrote (prefix, cartridge, prompt tuning, P-tuning or LoRA), or a
            checkpoint of the official P-Tuning v2, as a folder or a file.
        config: file of a run, or what it would hold: its one task and its backbone are those of the prompt. What the
            folder says of method and prompt stands before what the config says.
        output: folder that is made; it appears whole or not at all.
        overrides: of keys in the config; they stand before all.
        imports: Python files that the config needs.

    Raises:
        UserError: an adapter of another type, or one that does not fit the task or the backbone.
    """
    output = Path(output)
    check_free(output)
    found = find(Path(folder))
    given = as_overrides(overrides)
    asked = load_config(config, given, imports)
    if len(asked.tasks) != 1:
        do = "name one with task=CARD"
        raise UserError(f"names {len(asked.tasks)} tasks, and what is converted has one", where="config", do=do)
    (task,) = asked.tasks
    kind = asked.tasks[task].kind
    backbone = load_backbone(replace(asked.backbone, dtype="float32", quantize=None), reads_of(asked.tasks.values()))
    settings = (
        _plain_prompt() | found.settings | head_settings(found, kind, backbone) | _targets(found, asked, backbone)
    )
    made = load_config(config, [*as_overrides(settings), *given], imports)
    notes = [f"read: {found.what}"]
    module = PromptedModel(made, backbone, {task: _data(made, task, backbone)}).eval()
    _take_method(found, module)
    notes += take_head(found, module, task)
    _check_backbone(found, backbone)
    notes += _other_base(found, backbone) + _unread(found, backbone)
    artifact = artifact_of(module, {}, output)
    with whole_folder(output) as part:
        write_artifact(artifact, part)
    return Exported(output, tuple(notes))


def _plain_prompt() -> dict[str, Any]:
    """Return the settings of a prompt whose numbers are given: nothing makes or divides them."""
    return {
        "prompt.layers": "all", "prompt.init": "zero", "prompt.projection": None, "prompt.norm": "none",
        "prompt.gate": False, "prompt.sharing": "shared", "prompt.residual": None, "prompt.ensemble": 1,
        "prompt.train": "all", "prompt.position_offset": False, "prompt.form": "kv",
        "prompt.token_gate": False,
    }  # fmt: skip


def _data(config: Config, task: str, backbone: Backbone) -> TaskData:
    """Make the task without its rows where its card names its labels; else they are those of the rows."""
    card = config.tasks[task]
    settings: dict[str, Any] = {"decoder_only": not backbone.is_encoder_decoder, "notices_to": sys.stderr}
    if card.labels is not None:
        settings |= {"labels": labels_for(card), "splits": (), "labelled": False}
    elif not kind_of(card).features.has_labels():
        settings |= {"splits": (), "labelled": False}
    return TaskData(card, backbone.tokenizer, **settings)


def _take_method(found: Found, module: PromptedModel) -> None:
    """Put the numbers in the place of the method's."""
    method, where = module.method, found.path
    if isinstance(method, Lora):
        _take_lora(found, method, module.backbone)
        return
    assert isinstance(method, VectorMethod) and found.prompt is not None  # what the settings ask for
    vectors = [found.prompt.float()]
    if isinstance(method, DeepPrompt):
        layers, width = len(method.lengths), sum(method.widths)
        if found.prompt.shape[1] != width:
            what = f"has {found.prompt.shape[1]} numbers a position, backbone '{module.backbone.name}' takes {width}"
            raise UserError(what, where=where, do="give the backbone that it was trained with")
        vectors = from_official(found.prompt.float(), layers)
    sizes = list(zip(method.lengths, method.widths, strict=True))
    if [tuple(vector.shape) for vector in vectors] != sizes:
        what = f"holds a prompt of {tuple(vectors[0].shape)}, the backbone and config ask for {sizes[0]}"
        raise UserError(what, where=where, do="give the backbone that it was trained with")
    method.start_from(vectors)


def _targets(found: Found, config: Config, backbone: Backbone) -> dict[str, Any]:
    """Name the layers of LoRA: by the shortest names that mean them and no others.

    Raises:
        UserError: the backbone runs a layer at several depths; LoRA of ptv2 belongs to one depth.
    """
    if not found.lora:
        return {}
    if repeats_layers(backbone.model):
        what = f"is LoRA of '{backbone.name}', which runs a layer at several depths, and ptv2 adapts each depth alone"
        raise UserError(what, where=found.path, do="train it in ptv2, or convert LoRA of another family")
    names = sorted(_inside(found, backbone))
    short = sorted({name.rpartition(".")[2] for name in names})
    try:
        meant = lora_layers(replace(config, lora=replace(config.lora, targets=short)), backbone)
    except UserError:
        meant = {}
    return {"lora.targets": short if sorted(meant) == names else names}


def _inside(found: Found, backbone: Backbone) -> dict[str, dict[str, Tensor]]:
    """Return LoRA's tensors by the names that their layers have in the backbone's model.

    Raises:
        UserError: a layer that it does not have.
    """
    own = {name for name, _ in backbone.model.named_modules()}
    held = {}
    for name, parts in found.lora.items():
        known = name if name in own else name.removeprefix(f"{backbone.model.base_model_prefix}.")
        if known not in own:
            what = f"adapts the layer '{name}', which backbone '{backbone.name}' does not have"
            raise UserError(what, where=found.path, do="give the backbone that it was trained with")
        held[known] = parts
    return held


@torch.no_grad()
def _take_lora(found: Found, method: Lora, backbone: Backbone) -> None:
    for name, parts in _inside(found, backbone).items():
        adapted = cast(Adapted, method.layers.get_submodule(name))
        for part, tensor in parts.items():
            own = cast(nn.Parameter, getattr(adapted, part))
            if own.shape != tensor.shape:
                what = f"has {tuple(tensor.shape)} at '{name}', backbone '{backbone.name}' takes {tuple(own.shape)}"
                raise UserError(what, where=found.path, do="give the backbone that it was trained with")
            own.copy_(tensor)


def _other_base(found: Found, backbone: Backbone) -> list[str]:
    """Say so where the folder names another model than the config; the same one may have several names."""
    names = [re.split("[/:]", name.rstrip("/"))[-1].lower() for name in (found.base, backbone.name)]
    if not found.base or names[0] == names[1]:
        return []
    return [f"it says that it was trained on '{found.base}', and it is read for '{backbone.name}'"]


def _unread(found: Found, backbone: Backbone) -> list[str]:
    """Say which tensors are of neither the backbone nor a layer above it."""
    own = backbone.model.state_dict()
    inside = f"{backbone.model.base_model_prefix}."
    heads = (*NAMES, "pre_classifier", "lm_head")
    left = [name for name in found.rest if name.removeprefix(inside) not in own and not name.startswith(heads)]
    left = [name for name in left if not name.endswith("position_ids")]  # a buffer of older models
    more = f" and {len(left) - 3} more" if len(left) > 3 else ""
    return [f"left out, as no part of the model: {', '.join(left[:3])}{more}"] if left else []


def _check_backbone(found: Found, backbone: Backbone) -> None:
    """Refuse a checkpoint whose frozen weights are not the backbone's.

    Raises:
        UserError: names the first that differs.
    """
    inside, own = f"{backbone.model.base_model_prefix}.", backbone.model.state_dict()
    for name, tensor in found.rest.items():
        mine = own.get(name.removeprefix(inside)) if name.startswith(inside) else None
        if mine is None or not tensor.is_floating_point():
            continue
        if mine.shape != tensor.shape or not torch.allclose(mine.float(), tensor.float(), atol=1e-6):
            what = f"holds weights of another backbone than '{backbone.name}' (first: {name})"
            raise UserError(what, where=found.path, do="give the one that it was trained with")
