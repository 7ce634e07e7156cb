"""One rank's slice of the data.

Training batches are drawn as if one process had them, world-size times as large, and each rank takes every n-th row:
ranks get rows of like length, and see between them what one process would see. In evaluation they take turns at whole
batches, so a row's outputs do not depend on the number of ranks.

Ranks wait for each other in every step, so each always gets a row: where none is left for one, it gets a
dummy row, a copy of another's that computes along and counts for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch.utils.data import Sampler

from ptv2.config.schema import DataConfig
from ptv2.data.mixture import Draw, MixtureBatches

DUMMY = -1  # the `row` of a dummy row in a collated batch


class Drawn(NamedTuple):
    """A row that one rank gets, and whether it counts: a dummy row does not."""

    task: int  # its number
    row: int
    counts: bool = True


class Slices(Sampler[list[Drawn]]):
    """Each batch of a sampler as one rank's slice of it."""

    def __init__(self, batches: MixtureBatches | Sequence[Draw], rank: int, world: int):
        self.batches, self.rank, self.world = batches, rank, world

    def __iter__(self) -> Iterator[list[Drawn]]:
        return (slice_of(batch, self.rank, self.world) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def slice_of(batch: Draw, rank: int, world: int) -> list[Drawn]:
    """Take the rows of a batch that are this rank's."""
    return [Drawn(task, row) for task, row in batch[rank::world]] or dummy(batch)


def turns(batches: Sequence[Draw], rank: int, world: int) -> list[list[Drawn]]:
    """Take the batches that are this rank's; as many for every rank."""
    missing = -len(batches) % world
    whole = [[Drawn(task, row) for task, row in batch] for batch in batches]
    return [*whole, *[dummy(batches[0])] * missing][rank::world]


def dummy(batch: Draw) -> list[Drawn]:
    """Make a slice of one dummy row, the first of the batch."""
    return [Drawn(*batch[0], counts=False)]


def joint_sizes(config: DataConfig, world: int) -> DataConfig:
    """Return the sizes of the training batches that `world` ranks share."""
    tokens = config.tokens_per_batch
    return replace(
        config,
        batch_size=config.batch_size * world,
        tokens_per_batch=tokens * world if tokens else tokens,
    )
