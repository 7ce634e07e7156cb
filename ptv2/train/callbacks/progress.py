"""Progress: a Rich bar on a terminal, plain lines in a file."""

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, ProgressBar

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


class PlainProgress(ProgressBar):
    """Print a line every few steps and one per validation."""

    def __init__(self, log_every: int):
        super().__init__()
        self.log_every = log_every
        self.started = 0.0
        self.shown = 0
        self.enabled = True

    def disable(self) -> None:
        """Print nothing; Lightning calls this on ranks other than zero."""
        self.enabled = False

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.started, self.shown = time.monotonic(), trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *_: Any) -> None:
        step, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        new = step > self.shown  # several batches may make one step
        if self.enabled and new and (step % self.log_every == 0 or step == total):
            self.shown = step
            loss = float(trainer.callback_metrics.get("train/loss", float("nan")))
            seconds = time.monotonic() - self.started
            print(
                f"step {step}/{total}  epoch {trainer.current_epoch + 1}  loss {loss:.4f}  {seconds:.0f} s", flush=True
            )

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if trainer.sanity_checking or not self.enabled:
            return
        values = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("validation/")}
        print("  ".join(f"{k} {v:.4f}" for k, v in values.items()), flush=True)
