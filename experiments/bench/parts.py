"""Where a step's time goes: each part of it is timed without the parts that it calls.

It runs `ptv2.fit` as `ours` does. Timing costs some of the time: read shares, not seconds.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer import call
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from experiments.bench import systems
from experiments.bench.gate import Gate
from experiments.bench.plan import Group
from ptv2.backbone import Backbone, attention
from ptv2.kinds.head import Head
from ptv2.model import module
from ptv2.train.fit import fit
from ptv2.train.lightning_private import StepsDone

PARTS: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "data": ((_MapDatasetFetcher, "fetch"),),
    "backbone": ((Backbone, "forward"),),
    "prompt": ((module.PromptModule, "prompts"),),
    "join": ((attention, "joined"),),
    "head": ((module, "batch_loss"),),
    "backward": ((Strategy, "backward"),),
    "optimiser": (
        (torch.optim.AdamW, "step"),
        (torch.optim.AdamW, "zero_grad"),
        (L.LightningModule, "clip_gradients"),
        (torch.optim.lr_scheduler.LambdaLR, "step"),
    ),
    "logging": (
        (L.LightningModule, "log"),
        (module.PromptModule, "on_before_optimizer_step"),
        (StepsDone, "update_train_step_metrics"),
        (StepsDone, "on_batch_start"),
        (StepsDone, "on_batch_end"),
    ),
    "callbacks": ((call, "_call_callback_hooks"),),
}
REST = "loop"


class Timers:
    """Seconds of each part, without those that it calls; the rest is Lightning's loop."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = defaultdict(float)
        self.open, self.last = [REST], 0.0
        for name, places in PARTS.items():
            for holder, function in places:
                setattr(holder, function, self._timed(name, getattr(holder, function)))
        self._time_heads()

    def mark(self) -> None:
        """Give the time since the last mark to the part that is open."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.sums[self.open[-1]] += now - self.last
        self.last = now

    def restart(self) -> None:
        """Begin from zero."""
        self.sums.clear()
        self.last = time.perf_counter()

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.mark()
            self.open.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self.mark()
                self.open.pop()

        return timed

    def _time_heads(self) -> None:
        called = Head.__call__

        def timed(head: Head, *args: Any, **kwargs: Any) -> Any:
            return self._timed("head", called)(head, *args, **kwargs)

        setattr(Head, "__call__", timed)  # noqa: B010 - typed as a field of nn.Module


class Asking(systems.Asking):
    """Ask the gate before each batch, and add what the parts of a window took."""

    def __init__(self, gate: Gate):
        super().__init__(gate)
        self.timers = Timers()

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self.timers.mark()
        self.gate.more["parts"] = dict(self.timers.sums)
        if self.gate():
            self.timers.restart()


def parts(group: Group, options: Mapping[str, Any], gate: Gate) -> None:
    """Run `ptv2.fit` with its parts timed."""
    fit(systems.config_of(group, options), [Asking(gate)])
