"""What a method gives the frozen backbone for one batch, and where its modules find it.

Every form reads what the frozen layer computes by itself; none changes what another one reads.

Shapes: B rows of the batch, or 1 where all share the prompt; H query heads, G key/value heads, P prompt positions,
R rank, D width of a query or key, E width of a value, W width of the hidden states, T tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone.packing import Packing

FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda query: query,
    "tanh": lambda query: query.tanh(),
    "elu+1": lambda query: F.elu(query) + 1,
}
"""Feature maps phi of the memory form, by their name in `prompt.memory.phi`."""


@dataclass
class Memory:
    """A learned matrix per head that the queries read beside the softmax: `scale * phi(query) @ factors`."""

    factors: tuple[Tensor, ...]  # one matrix [B, H, D, E], or two of low rank [B, H, D, R], [B, H, R, E]
    phi: str = "tanh"
    scale: float = 1.0

    def __call__(self, query_BHTD: Tensor) -> Tensor:
        """Return what is added to each head's output, [B, H, T, E]."""
        read = FEATURES[self.phi](query_BHTD)
        for factor in self.factors:
            read = read @ repeated(factor, query_BHTD.shape[0]).to(query_BHTD.dtype)
        return self.scale * read


@dataclass
class Slots:
    """P more neurons of a feed-forward layer: `act(states @ key^T) @ value`, with a gate where the layer has one."""

    key_BPW: Tensor
    value_BPW: Tensor
    gate_BPW: Tensor | None = None  # act(states @ key^T) * (states @ gate^T)

    def __call__(self, states: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what is added to the layer's output, in the shape of its input `states`, whose last size is W."""
        # Rows of a batch stand together, also where beams repeat them or a family flattens them with their tokens.
        states_BNW = states.reshape(len(self.key_BPW), -1, states.shape[-1])
        neurons_BNP = activation(states_BNW @ self.key_BPW.to(states.dtype).mT)
        if self.gate_BPW is not None:
            neurons_BNP = neurons_BNP * (states_BNW @ self.gate_BPW.to(states.dtype).mT)
        return (neurons_BNP @ self.value_BPW.to(states.dtype)).reshape(states.shape)


@dataclass
class SitePrompt:
    """What one attention module gets, and the feed-forward layer behind it."""

    key_BGPD: Tensor | None = None  # joined to the keys and values that arrive
    value_BGPE: Tensor | None = None
    seen_BP: Tensor | None = None  # False at positions that a row does not have; None: each row has all of them
    gate: Tensor | None = None  # [H] or [B, H], factor on the prompt's attention mass; None: 1, the plain softmax
    token_gate_BPW: Tensor | None = None  # weights the prompt's positions by the layer's states, see `token_gate.py`
    query_map_BHDD: Tensor | None = None  # q + q @ map, in each query head
    value_map_BGEE: Tensor | None = None  # v + v @ map, in each value head
    memory: Memory | None = None
    slots: Slots | None = None


@dataclass
class InputPrompt:
    """Vectors at the input layer, in the place of token embeddings."""

    vectors_BPW: Tensor
    at_BT: Tensor | None = None  # True at P tokens of each row, which stand for them; None: in front of the text


@dataclass
class Injection:
    """All that the backbone gets: nothing, a prompt at sites, or vectors at the input."""

    sites: Sequence[SitePrompt | None] = ()
    inputs: InputPrompt | None = None
    shift: int | Tensor | None = None  # position of the first real token, or of each row's [B, 1]; None: the backbone's
    states_BTD: Tensor | None = None  # known states that enter a layer, see `entry.py`
    packing: Packing | None = None  # of the real tokens, where layers run on these alone, see `unpadded.py`

    def __bool__(self) -> bool:
        return bool(self.sites) or self.inputs is not None

    def padded(self) -> "Injection":
        """Return the same for layers that run on rows with their padding."""
        return replace(self, packing=None)


@dataclass
class Call:
    """One call of the attention function, as the recorder saw it."""

    module: nn.Module
    query_BHTD: Tensor
    key_BGSD: Tensor
    value_BGSE: Tensor


@dataclass
class PromptState:
    """The injection in force for one backbone; shared by all modules that read it."""

    injection: Injection = field(default_factory=Injection)
    record: Callable[[Call], None] | None = field(default=None, repr=False)
    masses: dict[int, Tensor] | None = field(default=None, repr=False)

    @contextmanager
    def weighing(self) -> Iterator[dict[int, Tensor]]:
        """Run the block and give what its attention calls put on the prompt: [B, H, T] of the weights, by site."""
        self.masses = {}
        try:
            yield self.masses
        finally:
            self.masses = None

    @contextmanager
    def use(self, injection: Injection) -> Iterator[None]:
        """Run the block with `injection` in force."""
        before, self.injection = self.injection, injection
        try:
            yield
        finally:
            self.injection = before

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
    """Where a module finds its prompt: the position of its site."""

    state: PromptState
    index: int | None = None
    weights_BP: Tensor | None = field(default=None, repr=False)  # of the prompt's positions in the call that begins

    @property
    def prompt(self) -> SitePrompt | None:
        """The prompt in force here."""
        sites = self.state.injection.sites
        return sites[self.index] if self.index is not None and sites else None

    def take_weights(self) -> Tensor | None:
        """Return the weights of the prompt's positions [B, P] in this call, and forget them; None without a gate."""
        weights_BP, self.weights_BP = self.weights_BP, None
        return weights_BP


PLACE = "prompt_place"
"""Attribute of an attention module that holds its `Place`."""


def repeated(rows: Tensor, batch: int) -> Tensor:
    """Repeat the rows of a batch as beam search does; one row serves all."""
    own = rows.shape[0]  # not len(rows): an exported graph would hold this batch's size
    return rows if own in (1, batch) else rows.repeat_interleave(batch // own, dim=0)
