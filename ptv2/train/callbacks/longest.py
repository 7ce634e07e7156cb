"""A batch of the longest rows before the first step: memory that does not do shows at once, not in the last hour."""

from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from ptv2.config.schema import BackboneConfig
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
                raise UserError(what, where="data.batch_size", do=remedy(self.data.run_config.backbone)) from error
            peak = peak_memory()
            used = max(peak["rss"] or 0, 0) if peak["cuda"] is None else peak["cuda"]
            print(
                f"the longest batch of {name}, {rows} x {tokens} tokens, fits: {used / 1e9:.1f} GB so far", flush=True
            )


def remedy(config: BackboneConfig) -> str:
    """Say what to do about a batch that does not fit the memory: what a run may still change."""
    lower = "lower data.batch_size, data.tokens_per_batch or max_length"
    if config.memory_budget is not None:
        return f"{lower}, or backbone.memory_budget={config.memory_budget:g}"
    return lower if config.gradient_checkpointing else f"{lower}, or use backbone.gradient_checkpointing"


def longest_rows(data: TaskDataModule, name: str) -> list[int]:
    """Return the training rows of a task that make its largest batch, as many as it holds or its budget of tokens does.

    They are those with most texts and of these the longest, and rows that it is padded to: the one with the longest
    target, say, whose source may be short.
    """
    task, config = data.tasks[name], data.config
    encoded = task.encoded("train")
    lengths, budget = column(encoded, "length"), config.tokens_per_batch
    rows = config.batch_size if budget is None else max(1, budget // int(lengths.max()))
    if rows == 1:
        return [int(lengths.argmax())]
    texts, widths = task.features.extent(encoded)
    longest = np.lexsort((-lengths, -texts))[:rows].tolist()
    widest = [int(width.argmax()) for width in widths if width[longest].max() < width.max()]
    return [*longest[: max(1, rows - len(widest))], *widest][:rows]


def longest_batch(data: TaskDataModule, name: str) -> dict[str, Any]:
    """Collate the training rows of a task that make its largest batch."""
    features = data.tasks[name].encoded("train").__getitems__(longest_rows(data, name))
    return collate([(name, feature) for feature in features], data.tasks, data.config.pad_to_max)


def compute(module: PromptModule, batch: dict[str, Any]) -> None:
    """Compute the loss of a batch and its gradients, and forget them."""
    loss = batch_loss(module.members(batch), module.heads, module.task_weights, module.device)
    loss.part.backward()
    module.zero_grad()
