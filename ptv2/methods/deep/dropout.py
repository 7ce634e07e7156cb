"""Dropout of keys and values, as quick as a CPU can draw it.

A mask per example has a number for each row, position and channel: drawn one at a time, as torch does on a CPU, they
take a twentieth of a step on short texts and more where several threads wait for the one that draws. Here four come
out of 64 random bits. On other devices torch's own kernel is used.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 2**16  # a number is dropped if 16 random bits are below p * LEVELS: p is met to 1 / (2 * LEVELS)


def dropped(states: Tensor, p: float, shape: torch.Size) -> Tensor:
    """Drop numbers with probability p by a mask of a shape, to which the states expand, and scale those that stay."""
    if states.device.type != "cpu":
        one_each = shape[0] >= len(states)
        return F.dropout(states.expand(shape), p) if one_each else states * F.dropout(states.new_ones(shape), p)
    below = min(round(p * LEVELS), LEVELS - 1)
    # scaled before it is expanded: once for all rows
    return states * (LEVELS / (LEVELS - below)) * _at_least(below, shape)


def _at_least(below: int, shape: torch.Size) -> Tensor:
    """Draw for each place whether 16 random bits, read as a number, are not below a bound."""
    count = math.prod(shape)
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)  # every bit: the sign's, too
    return (words.view(torch.int16)[:count] >= below - LEVELS // 2).view(shape)
