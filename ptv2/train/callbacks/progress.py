"""Progress: a Rich bar on a terminal, plain lines in a file."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, ProgressBar

from ptv2.runtime.progress import Progress, clock
from ptv2.train.ending import ended_by, planned_steps
from ptv2.train.lightning_private import EpochsFromOne


def make_progress(log_every: int) -> Callback:
    """Make the progress that fits the output: a bar on a terminal, lines in a file."""
    return TerminalProgress(leave=True) if sys.stdout.isatty() else PlainProgress(log_every)


class TerminalProgress(EpochsFromOne):
    """Show a bar per epoch, with the latest loss and score; finished bars stay."""

    def get_metrics(self, trainer: L.Trainer, module: L.LightningModule) -> dict[str, Any]:
        shown = super().get_metrics(trainer, module)
        shown.pop("v_num", None)  # of a logger's versions, which a run folder does not have
        if (score := trainer.callback_metrics.get("validation/score")) is not None:
            shown["validation/score"] = f"{float(score):.4f}"
        return shown


class Opening(Callback):
    """Say at the start what trains, on what, and where it writes.

    Args:
        lines: makes the lines, given the number of steps.
    """

    def __init__(self, lines: Callable[[int], list[str]]):
        self.lines = lines
        self.said = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.said = True
        if trainer.is_global_zero:
            print("\n".join(self.lines(planned_steps(trainer))), flush=True)

    def on_fit_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not self.said:  # no step was left, so training did not start
            self.on_train_start(trainer, module)


class Resumed(Callback):
    """Say where a run resumes.

    Args:
        checkpoint: that it resumes from.
    """

    def __init__(self, checkpoint: Path):
        self.checkpoint = checkpoint
        self.said = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.said = True
        if trainer.is_global_zero:
            step, total = trainer.global_step, trainer.estimated_stepping_batches
            print(f"resuming from step {step} of {total:.0f} (checkpoint {self.checkpoint})", flush=True)

    def on_fit_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.said:
            return
        self.on_train_start(trainer, module)
        if trainer.is_global_zero:
            by = ended_by(trainer)
            why = f": {by} counts the sessions before this one; raise it to go on" if by == "trainer.max_time" else ""
            print(f"nothing is left to train{why}", flush=True)


class PlainProgress(ProgressBar):
    """Print a line every few steps and one per validation."""

    def __init__(self, log_every: int):
        super().__init__()
        self.log_every = log_every
        self.started = 0.0
        self.first = self.shown = 0  # optimizer steps done: at the start, and when the last line was printed
        self.validation: Progress | None = None
        self.enabled = True

    def disable(self) -> None:
        """Print nothing; Lightning calls this on ranks other than zero."""
        self.enabled = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started, self.first = time.monotonic(), trainer.global_step
        self.shown = self.first

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        step, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        new = step > self.shown  # several batches may make one step
        if self.enabled and new and (step % self.log_every == 0 or step == total):
            self.shown = step
            loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
            seconds = time.monotonic() - self.started
            rate = (step - self.first) / seconds if seconds > 0 else 0.0
            left = f"  {rate:.2g} steps/s, {clock((total - step) / rate)} left" if rate and step < total else ""
            epoch = trainer.current_epoch + 1
            print(f"step {step}/{total}  epoch {epoch}  loss {loss:.4f}  {seconds:.0f} s{left}", flush=True)

    def on_validation_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.enabled and not trainer.sanity_checking:
            self.validation = Progress("validating", int(sum(trainer.num_val_batches)), "batches", sys.stdout)

    def on_validation_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any, **__: Any) -> None:
        if self.validation is not None:
            self.validation.add(1)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.sanity_checking or not self.enabled:
            return
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("validation/")}
        print("  ".join(f"{k} {v:.4f}" for k, v in values.items()), flush=True)
