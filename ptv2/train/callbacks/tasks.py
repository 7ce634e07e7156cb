"""What each task of a mixture does while it trains: loss, share of the batches, gradient norm, and the cosine between
the gradients that two tasks send to the prompt they share.
"""

from itertools import combinations
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from ptv2.train.callbacks.batch_gradient import BatchGradient
from ptv2.train.lightning_private import accumulates


class TaskCurves(Callback):
    """Log means since the last line per task: `train/<task>/loss`, `/share` of the rows, `/grad_norm` on the prompt.

    Every `cosine_every` steps the next gradient of each task is kept, and once every task has had one, the cosines
    between them are logged as `gradients/<task>.<task>`, with their mean. Below zero, two tasks pull the shared prompt
    apart. Between those moments nothing is kept, so it costs a copy of the prompt per task. Batches of several tasks
    have one gradient together: for them, neither norm nor cosine is known.

    Args:
        tasks: their names.
        log_every: optimizer steps between two lines.
        cosine_every: optimizer steps between two measurements of the cosines; 0: never.
    """

    def __init__(self, tasks: list[str], log_every: int, cosine_every: int):
        self.tasks, self.log_every, self.cosine_every = tasks, log_every, cosine_every
        self.sums = {task: _nothing() for task in tasks}
        self.kept: dict[str, Tensor] = {}
        self.latest: dict[tuple[str, str], float] = {}  # the cosines that were last logged
        self.listening = True
        self.shared: list[nn.Parameter] = []  # of the prompt, where batches are of one task: what all of them train
        self.own: list[nn.Parameter] = []  # and what one of them trains
        self._gradient = BatchGradient()

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        if module.config.mixture.batches == "mixed" or not module.method.has_prompts:
            return
        self.shared = [p for p in module.method.shared() if p.requires_grad]
        shared = {id(p) for p in self.shared}
        self.own = [p for p in module.method.trained() if id(p) not in shared]

    def on_after_backward(self, trainer: L.Trainer, module: Any) -> None:
        if not (learned := [*self.shared, *self.own]):
            return
        (task,) = module.losses
        gradient = self._gradient.of(learned, trainer)
        self.sums[task]["grad_norm"] += float(gradient.norm())
        gradient = gradient[: sum(p.numel() for p in self.shared)]
        if self.listening and self.cosine_every and len(gradient) and gradient.norm() > 0:
            self.kept.setdefault(task, gradient.cpu().clone())

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        for task, loss in module.losses.items():
            sums = self.sums[task]
            sums["rows"] += module.row_counts[task]
            sums["loss"] += float(loss)
            sums["batches"] += 1
        if accumulates(trainer):  # the step is not done
            return
        self._gradient.begin()
        step, values = trainer.global_step, {}
        if len(self.kept) == len(self.tasks):
            values |= self._cosines()
            self.kept, self.listening = {}, False
        if self.cosine_every and step % self.cosine_every == 0:
            self.listening = True
        if step % self.log_every == 0 or step >= trainer.estimated_stepping_batches:
            values |= self._curves()
        if values:
            for logger in trainer.loggers:
                logger.log_metrics(values, step)

    def _curves(self) -> dict[str, float]:
        rows, values = sum(sums["rows"] for sums in self.sums.values()), {}
        for task, sums in self.sums.items():
            values[f"train/{task}/share"] = sums["rows"] / rows
            if sums["batches"]:
                values[f"train/{task}/loss"] = sums["loss"] / sums["batches"]
            if sums["grad_norm"]:
                values[f"train/{task}/grad_norm"] = sums["grad_norm"] / sums["batches"]
            sums |= _nothing()
        return values

    def _cosines(self) -> dict[str, float]:
        self.latest = {
            (a, b): float(torch.cosine_similarity(self.kept[a], self.kept[b], dim=0))
            for a, b in combinations(self.tasks, 2)
        }
        values = {f"gradients/{a}.{b}": cosine for (a, b), cosine in self.latest.items()}
        return values | {"gradients/mean": sum(values.values()) / len(values)}

    def state_dict(self) -> dict[str, Any]:
        """Return what every checkpoint holds of the curves: a resumed run logs what it would have logged."""
        return {"sums": self.sums, "kept": self.kept, "listening": self.listening}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sums, self.kept, self.listening = state["sums"], state["kept"], state["listening"]


def _nothing() -> dict[str, float]:
    return {"rows": 0, "batches": 0, "loss": 0.0, "grad_norm": 0.0}
