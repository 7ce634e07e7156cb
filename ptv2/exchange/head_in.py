"""Heads of transformers' models, read into ours.

Shapes: C classes, D width.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.errors import UserError
from ptv2.exchange.found import Found
from ptv2.methods import METHODS
from ptv2.methods.prompt import SoftPrompt
from ptv2.model.prompted import PromptedModel

POOLED = ("cls", "multilabel", "regression", "choice")
NAMES = ("classifier", "score", "qa_outputs", "classifier.out_proj")
"""What transformers' models call their last layer."""


def head_settings(found: Found, kind: str, backbone: Backbone) -> dict[str, Any]:
    """Return `head.pooling` as the folder's head reads the text; nothing where it has none.

    Raises:
        UserError: a head that ptv2 has not.
    """
    if kind not in POOLED or (out := _out(found)) is None:
        return {}
    if f"{out}.bias" not in found.rest:
        return {"head.pooling": "last"}  # the causal models' score layer
    if issubclass(METHODS[found.settings["method"]], SoftPrompt):
        what = "its head reads the first position of the prompt, where ptv2's heads read the text"
        raise UserError(what, where=found.path, do="convert a prefix, or train a head anew")
    return {"head.pooling": "pooler" if _dense(found, out, backbone) is None else "dense"}


def take_head(found: Found, module: PromptedModel, task: str) -> list[str]:
    """Put the folder's head into the task's, and its pooler into a backbone that has none of its own.

    Returns:
        What is to be known of it.

    Raises:
        UserError: a head of another size, or none that computes as it does.
    """
    head, backbone = module.head(task), module.backbone
    if head.reads != "states":
        return []
    out = _out(found)
    if out is None:
        return [f"it holds no head: that of '{task}' is drawn at random, so train one (prompt.init=artifact:<output>)"]
    own = head.state_dict()
    tensors = {"out.weight": found.rest[f"{out}.weight"]}
    tensors["out.bias"] = found.rest.get(f"{out}.bias", torch.zeros(len(tensors["out.weight"])))
    pooling = module.config.head.pooling if module.config.tasks[task].kind in POOLED else None
    if pooling == "dense":
        dense = _dense(found, out, backbone)
        if dense is None:
            raise UserError("holds no layer for head.pooling=dense", where=found.path, do="leave head.pooling out")
        tensors |= {f"pooling.dense.{part}": found.rest[f"{dense}.{part}"] for part in ("weight", "bias")}
    for name, tensor in tensors.items():
        if own[name].shape != tensor.shape:
            what = f"its head has {tuple(tensor.shape)} where task '{task}' has {tuple(own[name].shape)} ({name})"
            raise UserError(what, where=found.path, do="give the card with the labels that it was trained on")
    head.load_state_dict(own | tensors)
    if pooling == "pooler":
        _take_pooler(found, backbone)
    return []


def _out(found: Found) -> str | None:
    """Find the last layer of the folder's head."""
    return next((name for name in reversed(NAMES) if f"{name}.weight" in found.rest), None)


def _dense(found: Found, out: str, backbone: Backbone) -> str | None:
    """Find a layer before the last one that was trained with it, whose tanh it reads; None: the backbone's pooler.

    Raises:
        UserError: a layer with another activation.
    """
    if "pre_classifier.weight" in found.rest:
        what = "its head has another activation before its last layer than ptv2's heads"
        raise UserError(what, where=found.path, do="convert it for a task whose head it need not bring")
    if out == "classifier.out_proj":
        if backbone.model.config.model_type == "electra":
            what = "ELECTRA's classifier has a GELU before its last layer, which ptv2's heads do not"
            raise UserError(what, where=found.path, do="convert it for a task whose head it need not bring")
        return "classifier.dense"
    pooler = f"{backbone.model.base_model_prefix}.pooler.dense"
    own = backbone.model.state_dict().get("pooler.dense.weight")
    held = found.rest.get(f"{pooler}.weight")
    if held is None or own is None or "pooler.dense.weight" in backbone.fresh:
        return None
    return None if torch.allclose(held.float(), own.float(), atol=1e-6) else pooler


@torch.no_grad()
def _take_pooler(found: Found, backbone: Backbone) -> None:
    """Give a backbone whose pooler was drawn at random the one that the head was trained with.

    Raises:
        UserError: the folder does not hold it.
    """
    fresh = [name for name in backbone.fresh if name.startswith("pooler.")]
    for name in fresh:
        held = found.rest.get(f"{backbone.model.base_model_prefix}.{name}")
        if held is None:
            what = f"does not hold the pooler that its head reads, and '{backbone.name}' has none of its own"
            raise UserError(what, where=found.path, do="save it with modules_to_save=['pooler'], or use a checkpoint")
        cast(nn.Parameter, backbone.model.get_parameter(name)).copy_(cast(Tensor, held))
