"""The DataModule: training batches of the mixture, and an evaluation loader per task."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ptv2.backbone import KNOWN
from ptv2.config.schema import Config
from ptv2.data.collate import collate
from ptv2.data.mixture import MixtureBatches
from ptv2.data.slices import DUMMY, Drawn, Slices, joint_sizes, turns
from ptv2.data.state_files import StateFiles
from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import Feature
from ptv2.rows.arrays import column
from ptv2.runtime.stop import leave_signals

States = dict[str, dict[str, StateFiles]]
PIECE = 2**20  # numbers that are written at once


class TaskDataModule(L.LightningDataModule):
    """Training batches of all tasks, and one evaluation loader per task.

    A batch is what its task's kind collates, with the name of the `task`. A batch with rows of several tasks is
    `{"parts": [batch of one task, ...]}`, all padded to one length.

    Args:
        tasks: the data of each task by name.
        config: the run's.
    """

    def __init__(self, tasks: dict[str, TaskData], config: Config):
        super().__init__()
        self.tasks, self.run_config, self.config = tasks, config, config.data
        self.start = 0  # the first training batch that is drawn
        self.states: States = {}  # that the backbone need not compute, by split and task, while training

    @property
    def ranks(self) -> tuple[int, int]:
        """Rank and world size of the Trainer, once there is one."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def train_dataloader(self) -> DataLoader:
        rank, world = self.ranks
        return self._loader("train", Slices(self.mixture(world), rank, world), self.states)

    def mixture(self, world: int = 1) -> MixtureBatches:
        """Draw the training batches that `world` ranks share, from where this run starts."""
        config, limits = self.run_config, self.run_config.trainer
        lengths = {name: column(data.encoded("train"), "length") for name, data in self.tasks.items()}
        draw = partial(MixtureBatches, lengths, joint_sizes(self.config, world), config.mixture, config.seed)
        epochs = [limits["max_epochs"]] if limits.get("max_epochs") not in (None, -1) else []
        if limits.get("max_steps", -1) > 0:
            batches = limits["max_steps"] * limits.get("accumulate_grad_batches", 1)
            epochs.append(math.ceil(batches / len(draw())))
        return draw(epochs=max(1, min(epochs, default=1)), start=self.start)

    def padding(self, world: int = 1) -> float | None:
        """Return the share of padding in an epoch of training batches; None where rows of several tasks share them."""
        if self.run_config.mixture.batches == "mixed":
            return None
        real = padded = 0
        for data, stream in zip(self.tasks.values(), self.mixture(world).streams, strict=True):
            lengths = column(data.encoded("train"), "length")
            real += int(lengths.sum(dtype=np.int64))
            to_max = len(lengths) * data.card.max_length
            padded += to_max if self.config.pad_to_max else stream.epoch(0).padded(lengths)
        return 1 - real / padded

    def notices(self) -> list[str]:
        """Say, a line per task, which training rows are longer than the budget of a batch: it holds one alone."""
        budget, said = self.config.tokens_per_batch, []
        for name, data in self.tasks.items() if budget else ():
            lengths = column(data.encoded("train"), "length")
            if len(over := lengths[lengths > budget]):
                what = f"{len(over)} of {len(lengths)} training features are longer than data.tokens_per_batch={budget}"
                said.append(f"{name}: {what} and are batches of their own, of {over.max()} tokens at most")
        return said

    def state_dict(self) -> dict[str, int]:
        """Return what every checkpoint holds of the data: the number of batches that were trained on."""
        assert self.trainer is not None
        batches: Any = self.trainer.fit_loop.epoch_loop.batch_progress.total  # typed without `processed`
        return {"batches": batches.processed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.start = state["batches"]

    @cache  # noqa: B019 - there is one DataModule a run
    def drawn(self, world: int = 1) -> dict[str, Any]:
        """List what the training batches follow from beside the rows, by config key; sizes are of all ranks."""
        config, sizes, batches = self.run_config, joint_sizes(self.config, world), self.mixture(world)
        mixed, annealed = config.mixture.batches == "mixed", config.mixture.sampling == "annealed"
        return {
            "data.batch_size": None if sizes.tokens_per_batch else sizes.batch_size,
            "data.tokens_per_batch": sizes.tokens_per_batch,
            "data.group_by_length": None if mixed else sizes.group_by_length,
            "seed": config.seed,
            "mixture.sampling": f"annealed over {batches.epochs} epochs" if annealed else config.mixture.sampling,
            "mixture.weights": config.mixture.weights,
            "mixture.batches": config.mixture.batches,
            "mixture.dry": config.mixture.dry,
            "mixture.steps_per_epoch": len(batches),
            "trainer.accumulate_grad_batches": config.trainer.get("accumulate_grad_batches", 1),
        } | {f"tasks.{name}": _sizes(column(data.encoded("train"), "length")) for name, data in self.tasks.items()}

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return the fingerprint of each split's rows, by task."""
        return {
            name: {split: rows.fingerprint for split, rows in data.rows.items()} for name, data in self.tasks.items()
        }

    def val_dataloader(self) -> list[DataLoader]:
        return self.eval_dataloaders("validation", self.states)

    def test_dataloader(self) -> list[DataLoader]:
        return self.eval_dataloaders("test")

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


def _sizes(lengths: np.ndarray) -> str:
    """Describe what batches take from a task's features: how many there are and how long each is."""
    return f"{len(lengths)} features of {lengths.sum(dtype=np.int64)} tokens ({_digest(lengths)[:8]})"


def _digest(lengths: np.ndarray) -> str:
    """Compute the sha256 of the numbers as Python writes a list of them, without the list."""
    words = np.array([str(length).encode() for length in range(lengths.max(initial=0) + 1)], dtype=object)
    digest = hashlib.sha256(b"[")
    for start in range(0, len(lengths), PIECE):
        digest.update(b", " * (start > 0) + b", ".join(words[lengths[start : start + PIECE]].tolist()))
    digest.update(b"]")
    return digest.hexdigest()
