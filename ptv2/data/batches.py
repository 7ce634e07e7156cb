"""Which rows of one task form which batch: a pure function of lengths, seed and epoch.

Rows of like length share a batch, so little is padded, and the order still changes from epoch to epoch.
"""

from bisect import bisect_right
from collections.abc import Sequence

import torch

POOL = 50  # batches whose rows are sorted together: large enough to group well, small enough to keep the order random


def epoch_batches(
    lengths: Sequence[int],
    batch_size: int,
    seed: int,
    epoch: int,
    group_by_length: bool = True,
    tokens: int | None = None,
) -> list[list[int]]:
    """Make the batches of one epoch, lists of row numbers; every row is in exactly one.

    With `tokens`, a batch holds as many rows as fit into this many tokens, padding included, instead of `batch_size`.
    """
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    if group_by_length:
        rows = batch_size if tokens is None else max(1, tokens * len(lengths) // sum(lengths))
        pools = [order[i : i + rows * POOL] for i in range(0, len(order), rows * POOL)]
        order = [row for pool in pools for row in sorted(pool, key=lengths.__getitem__)]
    if tokens is None:
        batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    else:
        batches = _filled(order, lengths, tokens)
    if group_by_length:
        batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
    return batches


def _filled(order: list[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Fill batches with the rows in order, each closed before its padded size would pass `tokens`."""
    batches, longest = [[]], 0
    for row in order:
        longest = max(longest, lengths[row])
        if batches[-1] and longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = lengths[row]
        batches[-1].append(row)
    return batches


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
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        group_by_length: bool = True,
        tokens: int | None = None,
    ):
        self.rows = len(lengths)
        self._lengths, self._batch_size, self._seed = lengths, batch_size, seed
        self._group, self._tokens = group_by_length, tokens
        self._held: tuple[int, list[list[int]]] = (-1, [])  # the epoch last used and its batches
        self._ends = [0]  # with `tokens`: how many batches the first 0, 1, 2, ... epochs have together

    def per_epoch(self) -> int:
        """Count the batches of the first epoch (without `tokens`: of every epoch)."""
        return -(-self.rows // self._batch_size) if self._tokens is None else len(self._epoch(0))

    def begin(self, epoch: int) -> int:
        """Return the number of the first batch of an epoch over the rows."""
        if self._tokens is None:
            return epoch * self.per_epoch()
        while len(self._ends) <= epoch:
            self._ends.append(self._ends[-1] + len(self._epoch(len(self._ends) - 1)))
        return self._ends[epoch]

    def __getitem__(self, k: int) -> list[int]:
        epoch, batch = self._locate(k)
        return self._epoch(epoch)[batch]

    def _locate(self, k: int) -> tuple[int, int]:
        if self._tokens is None:
            return divmod(k, self.per_epoch())
        while self._ends[-1] <= k:
            self.begin(len(self._ends))
        epoch = bisect_right(self._ends, k) - 1
        return epoch, k - self._ends[epoch]

    def _epoch(self, epoch: int) -> list[list[int]]:
        if self._held[0] != epoch:
            made = epoch_batches(self._lengths, self._batch_size, self._seed, epoch, self._group, self._tokens)
            self._held = (epoch, made)
        return self._held[1]
