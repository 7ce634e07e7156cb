"""Packing: the real tokens of a batch in one sequence, and back in their rows.

Shapes: B rows, T tokens of the longest, N real tokens of all rows, X any further sizes.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.function import Function


@dataclass
class Packing:
    """Where the tokens of a batch stand in one sequence."""

    real_BT: Tensor
    place_N: Tensor  # of each token among the B * T of the rows
    token_BT: Tensor  # the number of the token at each place; 0 at padding

    @classmethod
    def of(cls, mask_BT: Tensor) -> "Packing | None":
        """Make that of a batch; None where nothing is gained: no padding, or a single row."""
        real_BT = mask_BT.bool()
        place_N = real_BT.flatten().nonzero().squeeze(1)
        if len(mask_BT) == 1 or len(place_N) == mask_BT.numel():
            return None
        return cls(real_BT, place_N, (real_BT.flatten().cumsum(0) - 1).clamp(min=0).view_as(mask_BT) * real_BT)

    def tokens(self, states_BTX: Tensor) -> Tensor:
        """Take the real tokens out of their rows, [1, N, X]; one row serves all."""
        states_BTX = states_BTX.expand(len(self.real_BT), *states_BTX.shape[1:])
        taken = _Moved.apply(states_BTX.reshape(self.real_BT.numel(), -1), self, True)
        return taken.view(1, -1, *states_BTX.shape[2:])

    def rows(self, states_1NX: Tensor) -> Tensor:
        """Put tokens back in their rows, [B, T, X], with zeros at padding."""
        held = states_1NX.reshape(len(self.place_N), -1)
        return _Moved.apply(held, self, False).view(*self.real_BT.shape, *states_1NX.shape[2:])

    def _take(self, states_MX: Tensor) -> Tensor:
        return states_MX.index_select(0, self.place_N)

    def _put(self, states_NX: Tensor) -> Tensor:
        """Put tokens in their places; this is several times as fast as writing them into zeros."""
        put = states_NX.index_select(0, self.token_BT.flatten())
        return put.mul_(self.real_BT.reshape(-1, 1))


class _Moved(Function):
    """Tokens taken out of rows, or put into them; their gradient goes the other way, that of padding nowhere."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, packing: Packing, out: bool) -> Tensor:
        ctx.packing, ctx.out = packing, out
        return packing._take(states) if out else packing._put(states)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.packing._put(grads[0]) if ctx.out else ctx.packing._take(grads[0]), None, None
