"""A run that is asked to stop finishes its step, saves once, and ends."""

import signal
from contextlib import ExitStack
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from ptv2.runtime.ranks import gather
from ptv2.runtime.scheduler import requeue_from_rank_zero
from ptv2.runtime.stop import Stopped, asked, held
from ptv2.train.callbacks.checkpoint import Checkpoints, at_boundary


class Signals(Callback):
    """Hold SIGTERM, SIGUSR1 and the first Ctrl-C while training, and act on them between two steps.

    The handlers only set a flag. All ranks agree on it at the same step, so one that got no signal does not wait
    forever for the others. Lightning's own handlers, which save inside the handler, are replaced.
    """

    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.handlers = ExitStack()

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.handlers.enter_context(held())

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if not at_boundary(trainer, batch_idx):
            return
        if (number := agreed(trainer)) is not None:
            asked.saving = True
            self.checkpoints.save(trainer)
            raise Stopped(number, self.checkpoints.saved)

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        number = agreed(trainer)
        self.handlers.close()
        if number is not None:  # in the last step
            asked.saving = True
            raise Stopped(number, self.checkpoints.saved)
        if asked.number is not None:  # it came after ranks had agreed: treated as one that comes while scoring
            raise Stopped(asked.number)

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self.handlers.close()


def agreed(trainer: L.Trainer) -> int | None:
    """Return the signal that some rank was asked to stop with, the same on all of them; None if there was none."""
    if not trainer.strategy.reduce_boolean_decision(asked.number is not None, all=False):
        return None
    return next(number for number in gather(asked.number) if number is not None)


def on_stop(stopped: Stopped) -> None:
    """Requeue the job if its time is up; `fit` calls this on every rank once a stopped run has saved."""
    if stopped.signal == signal.SIGUSR1:  # the time is up; SIGTERM is what `scancel` sends, and SLURM's own preemption
        requeue_from_rank_zero()
