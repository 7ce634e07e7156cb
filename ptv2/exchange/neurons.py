"""Slots as neurons: feed-forward layers P wider, in the tensors of a plain model.

Shapes: P neurons, W width of the hidden states, N neurons of a layer.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.pytorch_utils import Conv1D

from ptv2.backbone import Backbone, Slots
from ptv2.backbone.feed_forward import FeedForward
from ptv2.errors import UserError

WIDTHS = (
    "intermediate_size", "hidden_dim", "n_inner", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim",
    "ffn_hidden_size",
)  # fmt: skip
"""What families call the number of neurons in their config."""
MULTIPLIES = {"wi_0": "wi_1", "gate_proj": "up_proj"}
"""A layer behind which the activation stands -> the one whose output it multiplies."""


def with_neurons(
    backbone: Backbone,
    slots: Sequence[Slots | None],
    config: PretrainedConfig,
    weights: dict[str, Tensor],
    where: Path,
) -> None:
    """Put each layer's slots behind its own neurons, zeros where a layer has fewer: all of a model are equally wide.

    Args:
        backbone: whose layers they belong to.
        slots: of each site.
        config: of the plain model, whose width is changed.
        weights: of its model by name, which are changed.
        where: for messages.

    Raises:
        UserError: the config does not say how wide the layers are.
    """
    P = max(part.key_BPW.shape[1] for part in slots if part is not None)
    names = {module: name for name, module in backbone.model.named_modules()}
    before = {_neurons(layer) for layer in backbone.feed_forward.values()}
    keys = [key for key in WIDTHS if key in config.to_dict() and getattr(config, key) in (*before, None)]
    if not keys or len(before) > 1:
        what = f"the config of family '{config.model_type}' does not say how wide all feed-forward layers are"
        raise UserError(what, where=where, do="use ptv2.attach")
    for key in keys:
        setattr(config, key, max(before) + P)
    for index, layer in backbone.feed_forward.items():
        part, W = slots[index], backbone.sites[index].width
        empty = torch.zeros(0, W)
        key, value = (empty, empty) if part is None else (part.key_BPW[0], part.value_BPW[0])
        gate = empty if part is None or part.gate_BPW is None else part.gate_BPW[0]
        key_PW, value_PW, gate_PW = (F.pad(t.detach().cpu(), (0, 0, 0, P - len(t))) for t in (key, value, gate))
        first, last = names[layer.first], names[layer.last]
        above, _, own = first.rpartition(".")
        if layer.gated and own not in MULTIPLIES:  # one layer: first what the activation gets, then what it multiplies
            _widen(weights, first, layer.first, [key_PW, gate_PW])
        else:
            _widen(weights, first, layer.first, [key_PW])
            if layer.gated:
                other = f"{above}.{MULTIPLIES[own]}" if above else MULTIPLIES[own]
                _widen(weights, other, backbone.model.get_submodule(other), [gate_PW])
        weight = weights[f"{last}.weight"]
        more = value_PW.to(weight.dtype)
        weights[f"{last}.weight"] = torch.cat(
            [weight, more if isinstance(layer.last, Conv1D) else more.T], dim=0 if isinstance(layer.last, Conv1D) else 1
        )


def _neurons(layer: FeedForward) -> int:
    weight = layer.last.weight
    assert isinstance(weight, Tensor)
    return weight.shape[0] if isinstance(layer.last, Conv1D) else weight.shape[1]


def _widen(weights: dict[str, Tensor], name: str, layer: nn.Module, more: list[Tensor]) -> None:
    """Put neurons behind each of the equal parts of a layer's output; their biases are zero."""
    weight = weights[f"{name}.weight"]
    rows = (weight.T if isinstance(layer, Conv1D) else weight).chunk(len(more))
    wider = torch.cat([torch.cat([own, added.to(own.dtype)]) for own, added in zip(rows, more, strict=True)])
    weights[f"{name}.weight"] = (wider.T if isinstance(layer, Conv1D) else wider).contiguous()
    if (bias := weights.get(f"{name}.bias")) is not None:
        parts = zip(bias.chunk(len(more)), more, strict=True)
        weights[f"{name}.bias"] = torch.cat([F.pad(own, (0, len(added))) for own, added in parts])
