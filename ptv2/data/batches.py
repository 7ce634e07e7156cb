"""Which rows of one task form which batch: a pure function of lengths, seed and epoch.

Rows of like length share a batch, so little is padded, and the order still changes from epoch to epoch. Lengths and
order are arrays: 50 million rows are drawn in seconds, and take hundreds of megabytes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import overload

import numpy as np
import torch

from ptv2.rows.arrays import compact

POOL = 50  # batches whose rows are sorted together: large enough to group well, small enough to keep the order random
BLOCK = 2**20  # rows that are sorted in one call, about


class Batches(Sequence[list[int]]):
    """The batches of one epoch, lists of row numbers.

    Args:
        order: of the rows, all of them.
        ends: where each batch ends in it.
        turns: of the batches; None: as they stand.
    """

    def __init__(self, order: np.ndarray, ends: np.ndarray, turns: np.ndarray | None = None):
        self.order, self.ends, self.turns = order, ends, turns

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, k: int) -> list[int]: ...
    @overload
    def __getitem__(self, k: slice) -> list[list[int]]: ...
    def __getitem__(self, k: int | slice) -> list[int] | list[list[int]]:
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        if k >= len(self):
            raise IndexError(k)
        batch = k if self.turns is None else int(self.turns[k])
        return self.order[self.ends[batch - 1] if batch else 0 : self.ends[batch]].tolist()

    def padded(self, lengths: np.ndarray) -> int:
        """Return the tokens of all of these batches, padding included."""
        starts = np.concatenate([[0], self.ends[:-1]])
        longest = np.maximum.reduceat(lengths[self.order], starts).astype(np.int64)
        return int((longest * (self.ends - starts)).sum())


def epoch_batches(
    lengths: Sequence[int] | np.ndarray,
    batch_size: int,
    seed: int,
    epoch: int,
    group_by_length: bool = True,
    tokens: int | None = None,
) -> Batches:
    """Make the batches of one epoch; every row is in exactly one.

    With `tokens`, a batch holds as many rows as fit into this many tokens, padding included, instead of `batch_size`.
    """
    lengths = compact(lengths)
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    order = _permutation(len(lengths), generator)
    if group_by_length:
        rows = batch_size if tokens is None else max(1, tokens * len(lengths) // int(lengths.sum(dtype=np.int64)))
        order = _grouped(order, lengths, rows * POOL)
    if tokens is None:
        ends = np.append(np.arange(batch_size, len(order), batch_size), len(order))
    else:
        ends = filled(lengths[order], tokens)
    return Batches(order, ends, _permutation(len(ends), generator) if group_by_length else None)


def _permutation(count: int, generator: torch.Generator) -> np.ndarray:
    """Draw an order; torch draws the same in either type."""
    dtype = torch.int32 if count < 2**31 else torch.int64
    return torch.randperm(count, generator=generator, dtype=dtype).numpy()


def _grouped(order: np.ndarray, lengths: np.ndarray, pool: int) -> np.ndarray:
    """Sort each pool of rows by length; rows of one length keep their order."""
    small = np.uint16 if lengths.max(initial=0) < 2**16 else lengths.dtype  # sorted by radix, without comparisons
    whole, made = len(order) // pool * pool, np.empty_like(order)
    step = max(1, BLOCK // pool) * pool
    blocks = [(start, min(start + step, whole), pool) for start in range(0, whole, step)]
    for start, end, width in [*blocks, *([(whole, len(order), len(order) - whole)] if whole < len(order) else [])]:
        rows = order[start:end].reshape(-1, width)
        by_length = np.argsort(lengths[rows].astype(small, copy=False), axis=1, kind="stable")
        made[start:end] = np.take_along_axis(rows, by_length, axis=1).reshape(-1)
    return made


def filled(lengths: np.ndarray, tokens: int) -> np.ndarray:
    """Fill batches with the rows in order, each closed before its padded size would pass `tokens`; return their ends.

    A row that is longer stands alone.
    """
    ends, start, window = [], 0, 64
    while start < len(lengths):
        part = lengths[start : start + window].astype(np.int64)
        sizes = np.maximum.accumulate(part) * np.arange(1, len(part) + 1)
        fitting = max(1, int(np.searchsorted(sizes, tokens, side="right")))
        if fitting == window < len(lengths) - start:  # the batch may go on behind the window
            window *= 2
            continue
        start += fitting
        ends.append(start)
        window = fitting + fitting // 4 + 8
    return np.array(ends, dtype=np.int64)


class BatchStream:
    """One task's batches, epoch after epoch, endless; `stream[k]` is the k-th.

    Args:
        lengths: tokens of each row.
        batch_size: rows in a batch.
        seed: of the order.
        group_by_length: see `epoch_batches`.
        tokens: see `epoch_batches`; the number of batches then differs a little from epoch to epoch.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        seed: int,
        group_by_length: bool = True,
        tokens: int | None = None,
    ):
        self.rows = len(lengths)
        self._lengths, self._batch_size, self._seed = compact(lengths), batch_size, seed
        self._group, self._tokens = group_by_length, tokens
        self._held: tuple[int, Batches] | None = None  # the epoch last used and its batches
        self._ends = [0]  # with `tokens`: how many batches the first 0, 1, 2, ... epochs have together

    def per_epoch(self) -> int:
        """Count the batches of the first epoch (without `tokens`: of every epoch)."""
        return -(-self.rows // self._batch_size) if self._tokens is None else len(self.epoch(0))

    def begin(self, epoch: int) -> int:
        """Return the number of the first batch of an epoch over the rows."""
        if self._tokens is None:
            return epoch * self.per_epoch()
        while len(self._ends) <= epoch:
            self._ends.append(self._ends[-1] + len(self.epoch(len(self._ends) - 1)))
        return self._ends[epoch]

    def __getitem__(self, k: int) -> list[int]:
        epoch, batch = self._locate(k)
        return self.epoch(epoch)[batch]

    def _locate(self, k: int) -> tuple[int, int]:
        if self._tokens is None:
            return divmod(k, self.per_epoch())
        while self._ends[-1] <= k:
            self.begin(len(self._ends))
        epoch = bisect_right(self._ends, k) - 1
        return epoch, k - self._ends[epoch]

    def epoch(self, epoch: int) -> Batches:
        """Return the batches of an epoch over the rows; the last one asked for is held."""
        if self._held is None or self._held[0] != epoch:
            self._held = None  # its memory is free before the next is made
            made = epoch_batches(self._lengths, self._batch_size, self._seed, epoch, self._group, self._tokens)
            self._held = (epoch, made)
        return self._held[1]
