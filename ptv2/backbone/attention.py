"""Prompted attention: a layer's prompt keys and values join the keys and values that arrive.

One function is registered with transformers' attention interface. It finds the prompt of the calling attention module,
joins it in front of the keys and values, lets every query see it, and calls the kernel the backbone would have
used. The sequence, the mask that the user sees, the cache and the positions stay as they are.

Shapes: B batch, H query heads, G key/value heads, T queries, S keys, P prompt positions, D head width.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

KERNELS = ("sdpa", "eager")


@dataclass
class SitePrompt:
    """What one attention module gets: B is 1 where all rows of a batch share the prompt."""

    key_BGPD: Tensor
    value_BGPD: Tensor
    gate: Tensor | None = None  # [H] or [B, H], factor on the prompt's attention mass; None: 1, the plain softmax


@dataclass
class Call:
    """One call of the attention function, as the recorder saw it."""

    module: nn.Module
    query_BHTD: Tensor
    key_BGSD: Tensor
    value_BGSD: Tensor


@dataclass
class PromptState:
    """The prompts in force for one backbone, by site; shared by all of its attention modules."""

    prompts: Sequence[SitePrompt | None] = ()
    record: Callable[[Call], None] | None = field(default=None, repr=False)

    @contextmanager
    def use(self, prompts: Sequence[SitePrompt | None]) -> Iterator[None]:
        """Run the block with `prompts` in force."""
        before, self.prompts = self.prompts, prompts
        try:
            yield
        finally:
            self.prompts = before

    @contextmanager
    def recording(self, record: Callable[[Call], None]) -> Iterator[None]:
        """Run the block with `record` called at every attention call."""
        before, self.record = self.record, record
        try:
            yield
        finally:
            self.record = before


@dataclass
class Place:
    """Where an attention module finds its prompt: its position in the state's list."""

    state: PromptState
    index: int | None = None


PLACE = "prompt_place"
"""Attribute of an attention module that holds its `Place`."""


def _eager_kernel(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Find the family's own eager attention: the function of that name in the file that defines the module."""
    return sys.modules[type(module).__module__].eager_attention_forward


def _attend(
    kernel: Callable[..., tuple[Tensor, Tensor | None]],
    builds_causal_mask: bool,
    module: nn.Module,
    query_BHTD: Tensor,
    key_BGSD: Tensor,
    value_BGSD: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor | None]:
    """Attend to the module's prompt and the keys that arrived, by `kernel`; out_BTHD and its weights, if any."""
    place: Place | None = getattr(module, PLACE, None)
    if place is not None and place.state.record is not None:
        place.state.record(Call(module, query_BHTD, key_BGSD, value_BGSD))
    prompt = None
    if place is not None and place.index is not None and place.state.prompts:
        prompt = place.state.prompts[place.index]
    if prompt is None:
        return kernel(module, query_BHTD, key_BGSD, value_BGSD, mask, **kwargs)

    P, T, S = prompt.key_BGPD.shape[2], query_BHTD.shape[2], key_BGSD.shape[2]
    key = _join(prompt.key_BGPD, key_BGSD)
    value = _join(prompt.value_BGPD, value_BGSD)
    joint = dict(kwargs)
    if mask is not None:
        joint_mask = F.pad(mask, (P, 0), value=True if mask.dtype == torch.bool else 0.0)
    elif builds_causal_mask and T > 1 and _is_causal(module, kwargs):
        # The kernel would have built a causal mask over the keys alone: every query sees the whole prompt beside it.
        causal = torch.ones(T, S, dtype=torch.bool, device=key.device).tril()
        joint_mask = F.pad(causal, (P, 0), value=True)[None, None]
        joint["is_causal"] = False
    else:
        joint_mask = None
    if joint.get("position_bias") is not None:  # T5: a prompt has no distance to a token
        joint["position_bias"] = F.pad(joint["position_bias"], (P, 0))
    out_BTHD, weights = kernel(module, query_BHTD, key, value, joint_mask, **joint)
    if prompt.gate is None:
        return out_BTHD, weights
    # The joint softmax is (1 - m) * plain + m * prompt, with m the prompt's mass: this scales m by the gate, and a gate
    # of zero leaves the frozen backbone's output as it was, to the bit.
    plain_BTHD, _ = kernel(module, query_BHTD, key_BGSD, value_BGSD, mask, **kwargs)
    gate = prompt.gate.to(plain_BTHD.dtype)
    if gate.dim() == 2:
        gate = _repeated(gate, len(plain_BTHD))[:, None]
    return plain_BTHD + gate[..., None] * (out_BTHD - plain_BTHD), weights


def _join(prompt_BGPD: Tensor, states_BGSD: Tensor) -> Tensor:
    """Put the prompt in front of the states, in the states' dtype."""
    batch = states_BGSD.shape[0]
    prompt_BGPD = _repeated(prompt_BGPD, batch).to(states_BGSD.dtype).expand(batch, -1, -1, -1)
    return torch.cat([prompt_BGPD, states_BGSD], dim=2)


def _repeated(rows: Tensor, batch: int) -> Tensor:
    """Repeat the rows of a batch as beam search does; one row serves all."""
    return rows if len(rows) in (1, batch) else rows.repeat_interleave(batch // len(rows), dim=0)


def _is_causal(module: nn.Module, kwargs: dict[str, Any]) -> bool:
    given = kwargs.get("is_causal")
    return bool(getattr(module, "is_causal", True) if given is None else given)


def prompted_sdpa(module, query, key, value, attention_mask, **kwargs):
    """Run prompted attention by torch's fused kernel; signature of transformers' attention interface."""
    return _attend(sdpa_attention_forward, True, module, query, key, value, attention_mask, kwargs)


def prompted_eager(module, query, key, value, attention_mask, **kwargs):
    """Run prompted attention by the family's own eager function, which also returns the attention weights."""
    return _attend(_eager_kernel(module), False, module, query, key, value, attention_mask, kwargs)


AttentionInterface.register("ptv2_sdpa", prompted_sdpa)
AttentionInterface.register("ptv2_eager", prompted_eager)
AttentionMaskInterface.register("ptv2_sdpa", sdpa_mask)
AttentionMaskInterface.register("ptv2_eager", eager_mask)
