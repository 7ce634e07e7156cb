"""`backbone.memory_budget`: before the first step, choose how many layers are recomputed in the backward pass.

One of the longest rows shows what each layer keeps, whatever the family, its precision and the method; a batch keeps as
many times as much. Recomputing changes no number, so a run may be resumed with another budget.
"""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from ptv2.backbone.checkpointing import layers_of
from ptv2.backbone.kept import Kept, counting, peak, recomputed
from ptv2.config.schema import BackboneConfig
from ptv2.data.datamodule import TaskDataModule
from ptv2.train.callbacks.longest import longest_batch, longest_rows

GIB = 2**30


class MemoryBudget(Callback):
    """Recompute as many layers as the budget needs, and say so in a line."""

    def __init__(self, data: TaskDataModule, config: BackboneConfig):
        self.data, self.config = data, config

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        budget = self.config.memory_budget
        assert budget is not None  # else this callback is not there
        task = max(self.data.tasks, key=lambda name: peak(self.kept(trainer, module, name), 0))
        kept = self.kept(trainer, module, task)
        running = [
            index for index, layer in enumerate(kept) if layer.whole
        ]  # none below the lowest prompt keeps anything
        kept = [kept[index] for index in running]
        count = recomputed(kept, budget * GIB)
        if count:
            layers = layers_of(module.backbone.model)
            chosen = [layers[index] for index in running[:count]]
            module.backbone.enable_gradient_checkpointing(self.config.compile, chosen)
        print(said(budget, kept, count, len(longest_rows(self.data, task)), task), flush=True)

    def kept(self, trainer: L.Trainer, module: Any, task: str) -> list[Kept]:
        """Estimate what each layer keeps of a batch of a task's longest rows."""
        rows = len(longest_rows(self.data, task))
        batch = trainer.strategy.batch_to_device(longest_batch(self.data, task, most=1))
        precision = trainer.strategy.precision_plugin.forward_context()
        with torch.random.fork_rng(), precision, counting(module, layers_of(module.backbone.model)) as found:
            read = module.members(batch)
        del read
        return [Kept(layer.whole * rows, layer.entering * rows) for layer in found]


def said(budget: float, kept: list[Kept], count: int, rows: int, task: str) -> str:
    """Say what was chosen, and what layers keep with it and without."""
    less, most = peak(kept, count) / GIB, peak(kept, 0) / GIB
    more = ", more than the budget" if less > budget else ""
    return (
        f"backbone.memory_budget={budget:g}: {count} of {len(kept)} layers are recomputed in the backward pass; "
        f"of {rows} of the longest rows of {task} they keep about {less:.2f} GiB{more} ({most:.2f} without)"
    )
