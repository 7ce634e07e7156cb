"""One rank's share of the data.

Training batches are drawn as if one process had them, `world` times as large, and each rank takes every `world`-th row:
ranks get rows of like length, and see between them what one process would see. In evaluation they take turns at whole
batches, so a row's outputs do not depend on the number of ranks.

Ranks wait for each other in every step, so each always gets something: where there is no row left for one it is lent
another's, as `~row`, which computes along and counts for nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch.utils.data import Sampler

from ptv2.config.schema import DataConfig
from ptv2.data.mixture import Draw
from ptv2.kinds.features import Feature

LENT = -1  # the `row` of a lent feature


class Shares(Sampler[Draw]):
    """Each batch of a sampler as one rank's share of it."""

    def __init__(self, batches: Sampler[Draw] | Sequence[Draw], rank: int, world: int):
        self.batches, self.rank, self.world = batches, rank, world

    def __iter__(self) -> Iterator[Draw]:
        return (share(batch, self.rank, self.world) for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def share(batch: Draw, rank: int, world: int) -> Draw:
    """The rows of a batch that are this rank's."""
    return batch[rank::world] or lent(batch)


def turns(batches: Sequence[Draw], rank: int, world: int) -> list[Draw]:
    """The batches that are this rank's; as many for every rank."""
    missing = -len(batches) % world
    return [*batches, *[lent(batches[0])] * missing][rank::world]


def lent(batch: Draw) -> Draw:
    """The first row of a batch, lent."""
    return [(task, ~row) for task, row in batch[:1]]


def taken(features: Sequence[Feature], row: int) -> Feature:
    """The feature of a row in a share; marked if it is lent."""
    return features[row] if row >= 0 else features[~row] | {"row": LENT}


def own_rows(batch: dict[str, Any]) -> int:
    """How many rows of a collated batch count."""
    return int((batch["row"] != LENT).sum())


def times(config: DataConfig, world: int) -> DataConfig:
    """The sizes of the training batches that `world` ranks share."""
    tokens = config.tokens_per_batch
    return replace(
        config,
        batch_size=config.batch_size * world,
        tokens_per_batch=tokens * world if tokens else tokens,
    )
