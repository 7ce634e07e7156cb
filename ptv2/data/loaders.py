"""Loaders of one pass over a split, of one task or of several: what answers and scores rows.

A batch is what its task's kind collates, with the name of the `task`. A batch with rows of several tasks is
`{"parts": [batch of one task, ...]}`, all padded to one length.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ptv2.backbone import KNOWN
from ptv2.config.schema import Config
from ptv2.data.collate import collate
from ptv2.data.slices import DUMMY, Drawn, turns
from ptv2.data.state_files import StateFiles
from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import Feature
from ptv2.rows.arrays import column
from ptv2.runtime.stop import leave_signals

States = dict[str, dict[str, StateFiles]]
"""By split and task: states that the backbone need not compute."""


class Loaders:
    """Makes the loaders.

    Args:
        tasks: the data of each task by name.
        config: the run's.
    """

    def __init__(self, tasks: dict[str, TaskData], config: Config):
        super().__init__()
        self.tasks, self.config = tasks, config.data

    @property
    def ranks(self) -> tuple[int, int]:
        """Rank and world size."""
        return 0, 1

    def eval_dataloaders(self, split: str, states: States | None = None) -> list[DataLoader]:
        """Make a loader per task that has the split, with rows of like length in a batch."""
        names = [name for name, data in self.tasks.items() if split in data.rows]
        return [self.joint_dataloader([name], split, states) for name in names]

    def eval_dataloader(self, name: str, split: str) -> DataLoader:
        return self.joint_dataloader([name], split)

    def joint_dataloader(self, names: Sequence[str], split: str, states: States | None = None) -> DataLoader:
        """Make a loader for one pass over a split of several tasks, rows of like length in a batch of any tasks."""
        size, columns = (
            self.config.eval_batch_size,
            [column(self.tasks[name].encoded(split), "length") for name in names],
        )
        numbers = [list(self.tasks).index(name) for name in names]
        tasks = np.repeat(numbers, [len(lengths) for lengths in columns])
        rows = np.concatenate([np.arange(len(lengths)) for lengths in columns])
        order = np.argsort(np.concatenate(columns), kind="stable")
        drawn = list(zip(tasks[order].tolist(), rows[order].tolist(), strict=True))
        batches = [drawn[i : i + size] for i in range(0, len(drawn), size)]
        if len(names) > 1:
            batches = [sorted(batch) for batch in batches]
        return self._loader(split, turns(batches, *self.ranks), states or {})

    def _loader(self, split: str, batches: Sampler[list[Drawn]] | Sequence[list[Drawn]], states: States) -> DataLoader:
        return DataLoader(
            _Joint(self.tasks, split, states.get(split, {})),
            collate_fn=partial(collate, tasks=self.tasks, pad_to_max=self.config.pad_to_max),
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            batch_sampler=batches,
            worker_init_fn=leave_signals,
            generator=torch.Generator(),  # a loader draws a number when it starts: not one of those that training draws
        )


class _Joint(Dataset):
    """The features of one split of all tasks, found by (task's number, row)."""

    def __init__(self, tasks: dict[str, TaskData], split: str, states: dict[str, StateFiles]):
        self.states = states
        self.sets: list[tuple[str, Any]] = [  # a Dataset of features, or an empty list
            (name, data.encoded(split) if split in data.rows else []) for name, data in tasks.items()
        ]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.sets)

    def __getitems__(self, slice: list[Drawn]) -> list[tuple[str, Feature]]:
        tasks = {one.task for one in slice}
        found = {task: self._features(task, [one.row for one in slice if one.task == task]) for task in tasks}
        drawn = []
        for task, _, counts in slice:
            feature = next(found[task])
            drawn.append((self.sets[task][0], feature if counts else feature | {"row": DUMMY}))
        return drawn

    def _features(self, task: int, rows: list[int]) -> Iterator[Feature]:
        """Read these features of a task at once, with the states that are known."""
        name, features = self.sets[task]
        states = self.states.get(name)
        for row, feature in zip(rows, features.__getitems__(rows), strict=True):
            yield feature | {KNOWN: states[row]} if states is not None and states.filled else feature
