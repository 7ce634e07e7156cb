"""Several prompts in one batch: each row of it has its own, also where lengths, layers and forms differ.

Prompts are padded to the longest, and no query sees the padding. What a prompt lacks beside the softmax (a map, a
memory, slots) is zero for its rows, which changes nothing.

Shapes: N prompts, B rows of the batch, P positions, and those of `ptv2/backbone/injection.py`.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.backbone import Injection, Memory, SitePrompt, Slots
from ptv2.errors import UserError


def of_rows(prompts: Sequence[Injection], pick_B: Tensor) -> Injection:
    """Join prompts that all rows of a batch may have into the one that each row has.

    Args:
        prompts: N of them, each for a batch of any size; one without sites changes nothing.
        pick_B: number of the prompt of each row.

    Raises:
        UserError: two read their memories through different feature maps.
    """
    sites = max(len(prompt.sites) for prompt in prompts)
    by_site = [[prompt.sites[i] if prompt.sites else None for prompt in prompts] for i in range(sites)]
    return Injection([None if not any(held) else _site(held, pick_B) for held in by_site])


def _site(held_N: Sequence[SitePrompt | None], pick_B: Tensor) -> SitePrompt:
    held = [prompt or SitePrompt() for prompt in held_N]

    def stacked(
        of: Callable[[SitePrompt], Tensor | None], length_dim: int | None = None, fill: float = 0, least: int = 0
    ) -> Tensor | None:
        """Stack one field of all prompts, `least` long or longer, and pick for each row; what one lacks is `fill`."""
        tensors = [of(prompt) for prompt in held]
        if (like := next((tensor for tensor in tensors if tensor is not None), None)) is None:
            return None
        longest = 0 if length_dim is None else max(least, *(t.shape[length_dim] for t in tensors if t is not None))
        made = [torch.full_like(like, fill) if tensor is None else tensor for tensor in tensors]
        if length_dim is not None:
            made = [_padded(tensor, length_dim, longest) for tensor in made]
        return torch.cat(made)[pick_B]

    lengths_N = torch.tensor([0 if p.key_BGPD is None else p.key_BGPD.shape[2] for p in held], device=pick_B.device)
    P = int(lengths_N.max())
    seen_NP = torch.arange(P, device=pick_B.device)[None] < lengths_N[:, None]
    return SitePrompt(
        key_BGPD=stacked(lambda p: p.key_BGPD, 2),
        value_BGPE=stacked(lambda p: p.value_BGPE, 2),
        seen_BP=None if seen_NP.all() else seen_NP[pick_B],
        gate=stacked(lambda p: None if p.gate is None else p.gate.reshape(1, -1), fill=1),
        token_gate_BPW=stacked(lambda p: p.token_gate_BPW, 1, least=P),  # a gate of zeros weighs all positions alike
        query_map_BHDD=stacked(lambda p: p.query_map_BHDD),
        value_map_BGEE=stacked(lambda p: p.value_map_BGEE),
        memory=_memory(held, stacked),
        slots=_slots(held, stacked),
    )


def _memory(held: Sequence[SitePrompt], stacked: Callable[..., Tensor | None]) -> Memory | None:
    """Join memories as whole matrices with their scale in them: their ranks may differ."""
    maps = {prompt.memory.phi for prompt in held if prompt.memory is not None}
    if not maps:
        return None
    if len(maps) > 1:
        what = f"memories that read through {' and '.join(sorted(maps))} cannot share a batch"
        raise UserError(what, where="set_prompt", do="use prompts of one prompt.memory.phi, or one batch for each")

    def whole(prompt: SitePrompt) -> Tensor | None:
        if prompt.memory is None:
            return None
        first, *rest = prompt.memory.factors
        return prompt.memory.scale * (first @ rest[0] if rest else first)

    matrix_BHDE = stacked(whole)
    assert matrix_BHDE is not None  # one of them has a memory
    return Memory((matrix_BHDE,), maps.pop())


def _slots(held: Sequence[SitePrompt], stacked: Callable[..., Tensor | None]) -> Slots | None:
    key_BPW = stacked(lambda p: p.slots and p.slots.key_BPW, 1)
    value_BPW = stacked(lambda p: p.slots and p.slots.value_BPW, 1)
    if key_BPW is None or value_BPW is None:
        return None
    return Slots(key_BPW, value_BPW, stacked(lambda p: p.slots and p.slots.gate_BPW, 1))


def _padded(tensor: Tensor, dim: int, length: int) -> Tensor:
    """Put zeros behind what stands at this dimension."""
    return F.pad(tensor, (0, 0) * (tensor.dim() - dim - 1) + (0, length - tensor.shape[dim]))
