"""The DataModule: training batches of the mixture, and an evaluation loader per task."""

import hashlib
import math
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ptv2.config.schema import Config
from ptv2.data.collate import collate
from ptv2.data.mixture import MixtureBatches
from ptv2.data.slices import DUMMY, Drawn, Slices, joint_sizes, turns
from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import Feature
from ptv2.runtime.stop import leave_signals


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

    @property
    def ranks(self) -> tuple[int, int]:
        """Rank and world size of the Trainer, once there is one."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer is not None else (0, 1)

    def train_dataloader(self) -> DataLoader:
        rank, world = self.ranks
        return self._loader("train", Slices(self.mixture(world), rank, world))

    def mixture(self, world: int = 1) -> MixtureBatches:
        """Draw the training batches that `world` ranks share, from where this run starts."""
        config, limits = self.run_config, self.run_config.trainer
        lengths: dict[str, Sequence[int]] = {n: data.encoded("train")["length"][:] for n, data in self.tasks.items()}
        draw = partial(MixtureBatches, lengths, joint_sizes(self.config, world), config.mixture, config.seed)
        epochs = [limits["max_epochs"]] if limits.get("max_epochs") not in (None, -1) else []
        if limits.get("max_steps", -1) > 0:
            batches = limits["max_steps"] * limits.get("accumulate_grad_batches", 1)
            epochs.append(math.ceil(batches / len(draw())))
        return draw(epochs=max(1, min(epochs, default=1)), start=self.start)

    def notices(self) -> list[str]:
        """Say, a line per task, which training rows are longer than the budget of a batch: it holds one alone."""
        budget, said = self.config.tokens_per_batch, []
        for name, data in self.tasks.items() if budget else ():
            lengths = data.encoded("train")["length"][:]
            if over := [length for length in lengths if length > budget]:
                what = f"{len(over)} of {len(lengths)} training features are longer than data.tokens_per_batch={budget}"
                said.append(f"{name}: {what} and are batches of their own, of {max(over)} tokens at most")
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
        } | {f"tasks.{name}": _sizes(data.encoded("train")["length"][:]) for name, data in self.tasks.items()}

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return the fingerprint of each split's rows, by task."""
        return {
            name: {split: rows.fingerprint for split, rows in data.rows.items()} for name, data in self.tasks.items()
        }

    def val_dataloader(self) -> list[DataLoader]:
        return self.eval_dataloaders("validation")

    def test_dataloader(self) -> list[DataLoader]:
        return self.eval_dataloaders("test")

    def eval_dataloaders(self, split: str) -> list[DataLoader]:
        """Make a loader per task that has the split, with rows of like length in a batch."""
        return [self.eval_dataloader(name, split) for name, data in self.tasks.items() if split in data.rows]

    def eval_dataloader(self, name: str, split: str) -> DataLoader:
        return self.joint_dataloader([name], split)

    def joint_dataloader(self, names: Sequence[str], split: str) -> DataLoader:
        """Make a loader for one pass over a split of several tasks, rows of like length in a batch of any tasks."""
        tasks, size = list(self.tasks), self.config.eval_batch_size
        lengths = {
            (tasks.index(name), row): length
            for name in names
            for row, length in enumerate(self.tasks[name].encoded(split)["length"][:])
        }
        order = sorted(lengths, key=lengths.__getitem__)
        batches = [
            sorted(order[i : i + size]) if len(names) > 1 else order[i : i + size] for i in range(0, len(order), size)
        ]
        return self._loader(split, turns(batches, *self.ranks))

    def _loader(self, split: str, batches: Sampler[list[Drawn]] | Sequence[list[Drawn]]) -> DataLoader:
        return DataLoader(
            _Joint(self.tasks, split),
            collate_fn=partial(collate, tasks=self.tasks, pad_to_max=self.config.pad_to_max),
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            batch_sampler=batches,
            worker_init_fn=leave_signals,
            generator=torch.Generator(),  # a loader draws a number when it starts: not one of those that training draws
        )


class _Joint(Dataset):
    """The features of one split of all tasks, found by (task's number, row)."""

    def __init__(self, tasks: dict[str, TaskData], split: str):
        self.sets: list[tuple[str, Any]] = [  # a Dataset of features, or an empty list
            (name, data.encoded(split) if split in data.rows else []) for name, data in tasks.items()
        ]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.sets)

    def __getitems__(self, slice: list[Drawn]) -> list[tuple[str, Feature]]:
        drawn = []
        for task, row, counts in slice:
            name, features = self.sets[task]
            drawn.append((name, features[row] if counts else features[row] | {"row": DUMMY}))
        return drawn


def _sizes(lengths: list[int]) -> str:
    """Describe what batches take from a task's features: how many there are and how long each is."""
    digest = hashlib.sha256(repr(lengths).encode()).hexdigest()
    return f"{len(lengths)} features of {sum(lengths)} tokens ({digest[:8]})"
