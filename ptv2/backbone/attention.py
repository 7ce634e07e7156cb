"""Prompted attention: what a site's prompt says is done where the layer's queries, keys and values meet.

One function is registered with transformers' attention interface. It finds the prompt of the calling attention module,
joins its keys and values in front of those that arrive, lets every query see them, and calls the kernel the backbone
would have used; maps and a memory act beside it. The sequence, the mask that the user sees, the cache and the positions
stay as they are.

Shapes: B batch, H query heads, G key/value heads, T queries, S keys, P prompt positions, D width of a query or key,
E width of a value.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from ptv2.backbone.injection import PLACE, Call, Place, SitePrompt, repeated


def _eager_kernel(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Find the family's own eager attention: the function of that name in the file that defines the module."""
    return sys.modules[type(module).__module__].eager_attention_forward


def _attend(
    kernel: Callable[..., tuple[Tensor, Tensor | None]],
    builds_causal_mask: bool,
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGSD: Tensor,
    value_BGSE: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor | None]:
    """Attend by `kernel` with the module's prompt in force; out_BTHE and the attention weights, if any."""
    place: Place | None = getattr(module, PLACE, None)
    packing = place.state.injection.packing if place is not None else None
    if packing is not None:  # the real tokens of all rows stand in one sequence
        query_BHTD, key_BGSD, value_BGSE = (
            packing.rows(states.transpose(1, 2)).transpose(1, 2) for states in (query_BHTD, key_BGSD, value_BGSE)
        )
    if place is not None and place.state.record is not None:
        place.state.record(Call(module, query_BHTD, key_BGSD, value_BGSE))
    prompt = place.prompt if place is not None else None
    if prompt is None:
        if place is not None and (columns_BS := _virtual(place, key_BGSD.shape[2])) is not None:
            _weigh(place, kernel, module, query_BHTD, key_BGSD, columns_BS, mask, kwargs)
        out_BTHE, weights = kernel(module, query_BHTD, key_BGSD, value_BGSE, mask, **kwargs)
        return (out_BTHE if packing is None else packing.tokens(out_BTHE)), weights
    query, value = mapped(query_BHTD, prompt.query_map_BHDD), mapped(value_BGSE, prompt.value_map_BGEE)

    def plain() -> tuple[Tensor, Tensor | None]:
        return kernel(module, query, key_BGSD, value, mask, **kwargs)

    if prompt.key_BGPD is None:
        out_BTHE, weights = plain()
    else:
        P = prompt.key_BGPD.shape[2]
        joint_mask, joint = _joint_mask(module, P, query, key_BGSD, mask, kwargs, builds_causal_mask)
        if prompt.seen_BP is not None:
            joint_mask = _of_rows(joint_mask, repeated(prompt.seen_BP, query.shape[0]), query, key_BGSD.shape[2])
        key, joint_value = joined(prompt, key_BGSD, value, place.take_weights() if place is not None else None)
        out_BTHE, weights = kernel(module, query, key, joint_value, joint_mask, **joint)
        if place is not None and place.state.masses is not None:
            columns_1S = torch.arange(key.shape[2], device=key.device)[None] < P
            _weigh(place, kernel, module, query, key, columns_1S, joint_mask, joint, prompt.gate)
        if prompt.gate is not None:
            out_BTHE = gated(prompt.gate, plain()[0], out_BTHE)
    if prompt.memory is not None:
        out_BTHE = out_BTHE + prompt.memory(query_BHTD).transpose(1, 2)
    return (out_BTHE if packing is None else packing.tokens(out_BTHE)), weights


def _virtual(place: Place, keys: int) -> Tensor | None:
    """Return which of the keys [B, S] stand for a prompt at the input, where that is asked for."""
    inputs = place.state.injection.inputs
    if place.state.masses is None or inputs is None or inputs.at_BT is None or inputs.at_BT.shape[1] != keys:
        return None
    return inputs.at_BT


def _weigh(
    place: Place,
    kernel: Callable[..., tuple[Tensor, Tensor | None]],
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGSD: Tensor,
    columns_BS: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
    gate: Tensor | None = None,
) -> None:
    """Note how much of each query's softmax goes to these keys.

    The kernel itself says it: its output is a weighted mean of the values, and these are 1 at the keys in question and
    0 elsewhere. So scales, soft caps, sinks, windows and position terms count as they do for the layer's own output.
    """
    assert place.state.masses is not None and place.index is not None
    ones_BGSD = columns_BS[:, None, :, None].to(key_BGSD.dtype).expand_as(key_BGSD).contiguous()
    mass_BHT = kernel(module, query_BHTD, key_BGSD, ones_BGSD, mask, **kwargs)[0][..., 0].transpose(1, 2).float()
    if gate is not None:
        mass_BHT = mass_BHT * (repeated(gate, len(mass_BHT)) if gate.dim() == 2 else gate)[..., None]
    place.state.masses[place.index] = mass_BHT


def mapped(states_BHSD: Tensor, map_BHDD: Tensor | None) -> Tensor:
    """Return `states + states @ map` in each head; a map of zeros changes nothing, to the bit."""
    if map_BHDD is None:
        return states_BHSD
    return states_BHSD + states_BHSD @ repeated(map_BHDD, states_BHSD.shape[0]).to(states_BHSD.dtype)


def joined(
    prompt: SitePrompt, key_BGSD: Tensor, value_BGSE: Tensor, weights_BP: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Put the prompt's keys and values in front of those that arrived, in their dtype; weights are of its positions."""
    assert prompt.key_BGPD is not None and prompt.value_BGPE is not None
    own = (prompt.key_BGPD, prompt.value_BGPE)
    if weights_BP is not None:
        own = tuple(states_BGPD * weights_BP[:, None, :, None] for states_BGPD in own)
    pairs = zip(own, (key_BGSD, value_BGSE), strict=True)
    batch = key_BGSD.shape[0]
    key, value = (
        torch.cat([repeated(own, batch).to(states.dtype).expand(batch, -1, -1, -1), states], dim=2)
        for own, states in pairs
    )
    return key, value


def gated(gate: Tensor, plain_BTHE: Tensor, joint_BTHE: Tensor) -> Tensor:
    """Scale the prompt's attention mass by its gate, [H] or [B, H].

    The joint softmax is (1 - m) * plain + m * prompt, with m the prompt's mass: this scales m by the gate, and a gate
    of zero leaves the frozen backbone's output as it was, to the bit.
    """
    gate = gate.to(plain_BTHE.dtype)
    if gate.dim() == 2:
        gate = repeated(gate, plain_BTHE.shape[0])[:, None]
    return plain_BTHE + gate[..., None] * (joint_BTHE - plain_BTHE)


def _joint_mask(
    module: nn.Module,
    P: int,
    query_BHTD: Tensor,
    key_BGSD: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
    builds_causal_mask: bool,
) -> tuple[Tensor | None, dict[str, Any]]:
    """Make the kernel's mask and other arguments for P prompt columns that every query sees."""
    T, S = query_BHTD.shape[2], key_BGSD.shape[2]
    joint = dict(kwargs)
    if mask is not None:
        joint_mask = F.pad(mask, (P, 0), value=True if mask.dtype == torch.bool else 0.0)
    elif builds_causal_mask and T > 1 and _is_causal(module, kwargs):
        # The kernel would have built a causal mask over the keys alone: every query sees the whole prompt beside it.
        causal = torch.ones(T, S, dtype=torch.bool, device=key_BGSD.device).tril()
        joint_mask = F.pad(causal, (P, 0), value=True)[None, None]
        joint["is_causal"] = False
    else:
        joint_mask = None
    if joint.get("position_bias") is not None:  # T5: a prompt has no distance to a token
        joint["position_bias"] = F.pad(joint["position_bias"], (P, 0))
    return joint_mask, joint


def _of_rows(joint_mask: Tensor | None, seen_BP: Tensor, query_BHTD: Tensor, S: int) -> Tensor:
    """Hide from the queries of each row the prompt positions that it does not have."""
    seen_B11K = F.pad(seen_BP, (0, S), value=True)[:, None, None]
    if joint_mask is None:
        joint_mask = query_BHTD.new_zeros(1, 1, query_BHTD.shape[2], seen_B11K.shape[-1])
    if joint_mask.dtype == torch.bool:
        return joint_mask & seen_B11K
    return joint_mask.masked_fill(~seen_B11K, torch.finfo(joint_mask.dtype).min)


def _is_causal(module: nn.Module, kwargs: dict[str, Any]) -> bool:
    given = kwargs.get("is_causal")
    return bool(getattr(module, "is_causal", True) if given is None else given)


def prompted_sdpa(module, query, key, value, attention_mask, **kwargs):
    """Run prompted attention by torch's fused kernel; signature of transformers' attention interface."""
    return _attend(sdpa_attention_forward, True, module, query, key, value, attention_mask, kwargs)


def prompted_eager(module, query, key, value, attention_mask, **kwargs):
    """Run prompted attention by the family's own eager function, which also returns the attention weights."""
    return _attend(_eager_kernel(module), False, module, query, key, value, attention_mask, kwargs)


def of_rows(make_mask: Callable[..., Tensor | None]) -> Callable[..., Tensor | None]:
    """Let a mask function make masks of rows where their real tokens stand in one sequence, see `unpadded.py`."""

    def made(batch_size: int, q_length: int, kv_length: int, *args: Any, **kwargs: Any) -> Tensor | None:
        mask_BT = kwargs.get("attention_mask")
        if mask_BT is not None and len(mask_BT) > batch_size:
            batch_size, q_length = mask_BT.shape
        return make_mask(batch_size, q_length, kv_length, *args, **kwargs)

    return made


REGISTERED = {"sdpa": "ptv2_sdpa", "eager": "ptv2_eager"}
"""The name of each kernel's prompted form in transformers' attention interface."""
AttentionInterface.register(REGISTERED["sdpa"], prompted_sdpa)
AttentionInterface.register(REGISTERED["eager"], prompted_eager)
AttentionMaskInterface.register(REGISTERED["sdpa"], of_rows(sdpa_mask))
AttentionMaskInterface.register(REGISTERED["eager"], of_rows(eager_mask))
