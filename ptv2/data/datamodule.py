"""The DataModule: training batches of the mixture, beside the evaluation loaders."""

import hashlib
import math
from functools import cache, partial
from typing import Any

import lightning as L
import numpy as np
from torch.utils.data import DataLoader

from ptv2.config.schema import Config
from ptv2.data.loaders import Loaders, States
from ptv2.data.mixture import MixtureBatches
from ptv2.data.slices import Slices, joint_sizes
from ptv2.data.taskdata import TaskData
from ptv2.rows.arrays import column

PIECE = 2**20  # numbers that are written at once


class TaskDataModule(Loaders, L.LightningDataModule):
    """Training batches of all tasks, and one evaluation loader per task.

    Args:
        tasks: the data of each task by name.
        config: the run's.
    """

    def __init__(self, tasks: dict[str, TaskData], config: Config):
        super().__init__(tasks, config)
        self.run_config = config
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
