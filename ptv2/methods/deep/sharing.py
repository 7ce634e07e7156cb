"""How tasks share a prompt: one for all, one each, one for all times a matrix of low rank each, or the keys alone.

Shapes: P prompt positions, F vector width, R rank, K width of the keys, V of the values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ptv2.methods.deep.vectors import DirectVectors


class LowRankVectors(nn.Module):
    """A task's vectors out of the shared ones: `shared_PF * sum over r of u_r v_r^T`, element by element.

    Multitask Prompt Tuning (Wang et al. 2023, section 3.1) has rank one. The first u and v are ones and every later v
    is zero, so each task starts from the shared prompt whatever the rank.
    """

    def __init__(self, lengths: Sequence[int], widths: Sequence[int], rank: int, std: float):
        super().__init__()
        self.u_PR = nn.ParameterList(_ones_first(torch.randn(length, rank) * std) for length in lengths)
        self.v_FR = nn.ParameterList(_ones_first(torch.zeros(width, rank)) for width in widths)

    def forward(self, shared_PF: Sequence[Tensor]) -> list[Tensor]:
        return [vector_PF * (u @ v.T) for vector_PF, u, v in zip(shared_PF, self.u_PR, self.v_FR, strict=True)]


class OwnValues(DirectVectors):
    """A task's vectors out of the shared keys: its own values stand behind them.

    The keys say which prompt position a token reads, the values what it reads there (arXiv 2508.17032 shares keys as
    routers; its text was not at hand).
    """

    def forward(self, shared_PK: Sequence[Tensor]) -> list[Tensor]:
        return [torch.cat(pair, dim=1) for pair in zip(shared_PK, self.rows, strict=True)]


def _ones_first(columns: Tensor) -> Tensor:
    columns[:, 0] = 1
    return columns
