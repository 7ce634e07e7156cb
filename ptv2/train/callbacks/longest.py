"""A batch of the longest rows before the first step: memory that does not do shows at once, not in the last hour."""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from ptv2.data.collate import collate
from ptv2.data.datamodule import TaskDataModule
from ptv2.errors import UserError
from ptv2.model.loss import batch_loss
from ptv2.model.module import PromptModule
from ptv2.rows.arrays import column
from ptv2.runtime.memory import peak_memory


class LongestBatch(Callback):
    """Compute a batch of each task's longest rows, forward and backward; weights, draws and gradients stay."""

    def __init__(self, data: TaskDataModule):
        self.data = data

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        for name in self.data.tasks:
            batch = trainer.strategy.batch_to_device(longest_batch(self.data, name))
            rows, tokens = batch["input_ids"].shape
            try:
                with torch.random.fork_rng(), trainer.strategy.precision_plugin.forward_context():
                    compute(module, batch)
            except torch.OutOfMemoryError as error:
                what = f"a batch of {rows} x {tokens} tokens, the longest of task '{name}', does not fit the memory"
                do = "lower data.batch_size, data.tokens_per_batch or max_length, or use gradient_checkpointing"
                raise UserError(what, where="data.batch_size", do=do) from error
            peak = peak_memory()
            used = max(peak["rss"] or 0, 0) if peak["cuda"] is None else peak["cuda"]
            print(
                f"the longest batch of {name}, {rows} x {tokens} tokens, fits: {used / 1e9:.1f} GB so far", flush=True
            )


def longest_rows(data: TaskDataModule, name: str) -> list[int]:
    """Return the longest training rows of a task: as many as a batch holds, or as the budget of tokens does."""
    lengths, config = column(data.tasks[name].encoded("train"), "length"), data.config
    budget = config.tokens_per_batch
    rows = config.batch_size if budget is None else max(1, budget // int(lengths.max()))
    return np.argsort(-lengths, kind="stable")[:rows].tolist()


def longest_batch(data: TaskDataModule, name: str, most: int | None = None) -> dict[str, Any]:
    """Collate the longest training rows of a task, or `most` of them."""
    encoded, config = data.tasks[name].encoded("train"), data.config
    longest = longest_rows(data, name)[:most]
    drawn = [(name, feature) for feature in encoded.__getitems__(longest)]
    return collate(drawn, data.tasks, config.pad_to_max)


def compute(module: PromptModule, batch: dict[str, Any]) -> None:
    """Compute the loss of a batch and its gradients, and forget them."""
    loss = batch_loss(module.members(batch), module.heads, module.task_weights, module.device)
    loss.part.backward()
    module.zero_grad()
