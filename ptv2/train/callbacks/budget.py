"""`backbone.memory_budget`: before the first step, choose how many layers are recomputed in the backward pass.

Two texts and three of the longest batch show what each layer keeps, whatever the family, its precision and the method:
the batch keeps as many times as much as the third adds, and once what texts share (the bias of positions, autocast's
copies of frozen weights). Recomputing changes no number, so a run may be resumed with another budget.
"""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

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
        found = {name: self.kept(trainer, module, name) for name in self.data.tasks}
        task = max(found, key=lambda name: peak(found[name], 0))
        kept = found[task]
        running = [i for i, layer in enumerate(kept) if layer.whole]  # none below the lowest prompt keeps anything
        kept = [kept[index] for index in running]
        count = recomputed(kept, budget * GIB)
        if count:
            layers = layers_of(module.backbone.model)
            chosen = [layers[index] for index in running[:count]]
            module.backbone.enable_gradient_checkpointing(self.config.compile, chosen)
        print(said(budget, kept, count, len(longest_rows(self.data, task)), task), flush=True)

    def kept(self, trainer: L.Trainer, module: Any, task: str) -> list[Kept]:
        """Estimate what each layer keeps of a batch of a task's longest rows."""
        batch = longest_batch(self.data, task)
        texts, found = len(batch["input_ids"]), []
        fewest = min(2, texts)  # a single one may lie in memory as its own transpose, which several must copy
        for count in (fewest, min(3, texts)):
            few = trainer.strategy.batch_to_device(part(batch, count, module.backbone.unpads))
            precision = trainer.strategy.precision_plugin.forward_context()
            with torch.random.fork_rng(), precision, counting(module, layers_of(module.backbone.model)) as kept:
                read = module.members(few)
            del read
            found.append(kept)
        return [two.extended(three, texts - fewest) for two, three in zip(*found, strict=True)]


def part(batch: dict[str, Any], count: int, unpads: bool) -> dict[str, Any]:
    """Take up to 3 texts of a batch, as wide as it is; what belongs to rows of several texts stays whole.

    They are the shortest, which are padded where any is, so that layers make a mask; where layers run on real tokens
    alone, those nearest to the mean length, the nearest being the third.
    """
    tokens = batch["attention_mask"].sum(1).float()
    nearest = (tokens - tokens.mean()).abs().argsort(stable=True)[:3]
    chosen = (nearest if unpads else tokens.argsort(stable=True)[:3].flip(0))[-count:]
    return {
        key: value[chosen] if isinstance(value, Tensor) and value.shape[:1] == tokens.shape else value
        for key, value in batch.items()
    }


def said(budget: float, kept: list[Kept], count: int, rows: int, task: str) -> str:
    """Say what was chosen, and what layers keep with it and without."""
    less, most = peak(kept, count) / GIB, peak(kept, 0) / GIB
    more = ", more than the budget" if less > budget else ""
    return (
        f"backbone.memory_budget={budget:g}: {count} of {len(kept)} layers are recomputed in the backward pass; "
        f"of {rows} of the longest rows of {task} they keep about {less:.2f} GiB{more} ({most:.2f} without)"
    )
