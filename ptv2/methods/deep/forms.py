"""Forms of a deep prompt: what is learned at each prompted layer, and how it joins the frozen layer.

A form's numbers at one slot are a matrix [R, F] (for `kv`, P rows of one key and one value each), so that every form is
shared, kept, merged and started from an artifact in the same way.

Shapes: N tasks in the batch, P prompt positions, G key/value heads, H query heads, D width of a query or key, E width
of a value, W width of the hidden states, R rows and F width of a form's matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ptv2.backbone import Backbone, Memory, Observation, SitePrompt, Slots
from ptv2.config.names import IN_SOFTMAX
from ptv2.config.schema import PromptConfig
from ptv2.errors import UserError
from ptv2.methods.deep.slots import Slot

Pick = Callable[[Tensor], Tensor]
"""Choose for each row of a batch the tensor of its task."""


class Form:
    """A form of prompt; its matrices are zero at the start unless it says otherwise.

    Args:
        config: of the prompt.
        backbone: frozen.
    """

    def __init__(self, config: PromptConfig, backbone: Backbone):
        self.config, self.backbone = config, backbone

    def fits(self, slot: Slot) -> bool:
        """Tell whether there is something for the form to join at this site."""
        return True

    def size(self, slot: Slot) -> tuple[int, int]:
        """Return R and F."""
        raise NotImplementedError

    def start(self, slot: Slot) -> Tensor:
        """Draw the matrix that training starts from; a prompt of zeros leaves the frozen backbone as it was."""
        return torch.zeros(self.size(slot))

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        """Add the form to what the site gets."""
        raise NotImplementedError


class KeysValues(Form):
    """P keys and values that join the layer's own (P-Tuning v2, section 3; the official code).

    With `prompt.token_gate` each row holds W numbers more, zeros at the start: those that weigh its position.
    """

    def __init__(self, config: PromptConfig, backbone: Backbone):
        super().__init__(config, backbone)
        if config.token_gate:
            _ = backbone.gated_sites

    def size(self, slot: Slot) -> tuple[int, int]:
        return slot.length, slot.site.vector_width + (slot.site.width if self.config.token_gate else 0)

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        site = slot.site
        if self.config.token_gate:
            held_NRF, gate_NPW = held_NRF.tensor_split([site.vector_width], dim=2)
            prompt.token_gate_BPW = pick(gate_NPW)
        key_NPF, value_NPF = held_NRF.split([site.kv_heads * site.key_dim, site.kv_heads * site.value_dim], dim=2)
        key_NGPD = key_NPF.unflatten(2, (site.kv_heads, site.key_dim)).transpose(1, 2)
        value_NGPE = value_NPF.unflatten(2, (site.kv_heads, site.value_dim)).transpose(1, 2)
        prompt.key_BGPD, prompt.value_BGPE = pick(key_NGPD), pick(value_NGPE)


class HiddenStates(Form):
    """P hidden states, projected to keys and values by the layer's own frozen weights, where it has some."""

    def __init__(self, config: PromptConfig, backbone: Backbone):
        super().__init__(config, backbone)
        self._seen: dict[
            tuple[int, torch.device, torch.dtype], list[Observation]
        ] = {}  # how each site's module is called

    def fits(self, slot: Slot) -> bool:
        return slot.site.own_keys

    def size(self, slot: Slot) -> tuple[int, int]:
        return slot.length, slot.site.width

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        seen = self.observed(slot.length, held_NRF.device)[slot.index]
        keys, values = zip(*(self.backbone.project(seen, hidden_PW) for hidden_PW in held_NRF), strict=True)
        prompt.key_BGPD, prompt.value_BGPE = pick(torch.cat(keys).float()), pick(torch.cat(values).float())

    def observed(self, length: int, device: torch.device) -> list[Observation]:
        """Return how the backbone calls its sites' modules for a text of this length.

        Raises:
            UserError: it cannot read one so long.
        """
        key = length, device, self.backbone.model.dtype
        if key not in self._seen:
            self._seen[key] = self.backbone.observe(torch.ones(length, dtype=torch.long))
        return self._seen[key]


class MemoryMatrix(Form):
    """A matrix per head beside the softmax: attention output + scale * phi(query) @ M.

    Prefix-Tuning with its prefix moved out of the softmax (PrefixMemory-Tuning, arXiv 2506.13674, the form of its final
    update rule; phi and scale are ours to choose). M is [D, E], zero at the start, or of rank `prompt.memory.rank`:
    A [D, R], drawn from N(0, 1/D), times B [R, E] of zeros.
    """

    def size(self, slot: Slot) -> tuple[int, int]:
        site, rank = slot.site, self.config.memory.rank
        if rank is None:
            return site.key_dim, site.heads * site.value_dim
        return rank, site.heads * (site.key_dim + site.value_dim)

    def start(self, slot: Slot) -> Tensor:
        held_RF = super().start(slot)
        if self.config.memory.rank is not None:
            held_RF[:, : slot.site.heads * slot.site.key_dim].normal_(std=slot.site.key_dim**-0.5)
        return held_RF

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        site, memory = slot.site, self.config.memory
        if memory.rank is None:
            factors = (_per_head(held_NRF, site.heads),)
        else:
            down_NRF, up_NRF = held_NRF.split([site.heads * site.key_dim, site.heads * site.value_dim], dim=2)
            factors = (_per_head(down_NRF, site.heads).mT, _per_head(up_NRF, site.heads))
        prompt.memory = Memory(tuple(map(pick, factors)), memory.phi, memory.scale)


class ValueMap(Form):
    """A map of the values in each head: v + v @ M, one M [E, E] per value head, zero at the start."""

    def size(self, slot: Slot) -> tuple[int, int]:
        return slot.site.value_dim, slot.site.kv_heads * slot.site.value_dim

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        prompt.value_map_BGEE = pick(_per_head(held_NRF, slot.site.kv_heads))


class QueryMap(Form):
    """A map of the queries in each head: q + q @ M, one M [D, D] per query head, zero at the start.

    Queries are mapped as they reach the attention function: behind the rotation where positions are rotary.
    """

    def size(self, slot: Slot) -> tuple[int, int]:
        return slot.site.key_dim, slot.site.heads * slot.site.key_dim

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        prompt.query_map_BHDD = pick(_per_head(held_NRF, slot.site.heads))


class FeedForwardSlots(Form):
    """P more keys and values of the feed-forward layer: + act(x K^T) V, and P gates where the layer is gated.

    They are P more neurons of the frozen layer, with its own activation: K and the gates start as N(0, 1/W), V as
    zeros. He et al. 2022 (arXiv 2110.04366) see prefixes and adapters beside the feed-forward layer as one family.
    """

    def __init__(self, config: PromptConfig, backbone: Backbone):
        super().__init__(config, backbone)
        self.layers = backbone.feed_forward

    def fits(self, slot: Slot) -> bool:
        return slot.index in self.layers

    def size(self, slot: Slot) -> tuple[int, int]:
        return slot.length, (3 if self.layers[slot.index].gated else 2) * slot.site.width

    def start(self, slot: Slot) -> Tensor:
        held_PF = super().start(slot)
        held_PF[:, : -slot.site.width].normal_(std=slot.site.width**-0.5)
        return held_PF

    def put(self, prompt: SitePrompt, slot: Slot, held_NRF: Tensor, pick: Pick) -> None:
        *in_NPW, value_NPW = (pick(part) for part in held_NRF.split(slot.site.width, dim=2))
        prompt.slots = Slots(in_NPW[0], value_NPW, in_NPW[1] if len(in_NPW) > 1 else None)


MAKERS: dict[str, type[Form]] = {
    "kv": KeysValues,
    "hidden": HiddenStates,
    "memory": MemoryMatrix,
    "slots": FeedForwardSlots,
    "values": ValueMap,
    "queries": QueryMap,
}


@dataclass
class Part:
    """One form at one slot: a matrix of the prompt."""

    name: str  # of the form
    form: Form
    slot: Slot

    @property
    def size(self) -> tuple[int, int]:
        """R and F."""
        return self.form.size(self.slot)

    @property
    def split(self) -> list[int]:
        """How F is made up: of a key and a value for the K/V form (a token gate aside)."""
        site = self.slot.site
        return [site.kv_heads * site.key_dim, site.kv_heads * site.value_dim] if self.name == "kv" else [self.size[1]]

    @property
    def attended(self) -> tuple[int, int]:
        """R, and the part of F that queries attend to: without a token gate."""
        rows, width = self.size
        return rows, sum(self.split) if self.in_softmax else width

    @property
    def in_softmax(self) -> bool:
        """Tell whether the queries attend to it."""
        return self.name in IN_SOFTMAX


def parts_of(config: PromptConfig, slots: list[Slot], backbone: Backbone) -> list[Part]:
    """List the matrices of a prompt: form by form, and for each the slots in their order.

    Raises:
        UserError: the backbone has no place for a form.
    """
    parts = []
    for name in config.forms:
        form = MAKERS[name](config, backbone)
        fitting = [slot for slot in slots if form.fits(slot)]
        if not fitting:
            raise UserError(f"no prompted place takes the form '{name}'", where="prompt.form", do="prompt other places")
        parts += [Part(name, form, slot) for slot in fitting]
    return parts


def _per_head(held_NRF: Tensor, heads: int) -> Tensor:
    """Split the width by heads: [N, heads, R, F / heads]."""
    return held_NRF.unflatten(2, (heads, -1)).transpose(1, 2)
