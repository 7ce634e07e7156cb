"""Every name of Lightning that is not public: all of them are used here and nowhere else.

`tests/train/test_lightning_private.py` names the versions that they were read in.
"""

from typing import Any, cast

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loops.fit_loop import _FitLoop
from lightning.pytorch.loops.progress import _ProcessedTracker
from lightning.pytorch.trainer.connectors.logger_connector.logger_connector import _LoggerConnector


def dump_checkpoint(trainer: L.Trainer) -> dict[str, Any]:
    """Return what `Trainer.save_checkpoint` would write, which has a barrier of its own."""
    return trainer._checkpoint_connector.dump_checkpoint(weights_only=False)


def logged_batches(trainer: L.Trainer) -> int:
    """Return the step that the next line of the log gets."""
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def set_logged_batches(trainer: L.Trainer, count: int) -> None:
    """Set the step that the next line of the log gets: Lightning adds one on some of its ways back into an epoch."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = count


def accumulates(trainer: L.Trainer) -> bool:
    """Tell whether the optimizer step of the present batch is still to come (gradient accumulation)."""
    return trainer.fit_loop._should_accumulate()


def is_logged(trainer: L.Trainer) -> bool:
    """Tell whether the present step gets a line in the log."""
    return trainer._logger_connector.should_update_logs


def position(trainer: L.Trainer) -> tuple[int, int]:
    """Return the whole epochs behind a step boundary, and the batches of the epoch that has begun."""
    epochs = cast(_ProcessedTracker, trainer.fit_loop.epoch_progress.current)
    batches = trainer.fit_loop.epoch_loop.batch_progress.current
    if epochs.processed < epochs.ready:  # in an epoch, or at its first batch
        return epochs.processed, batches.completed
    if batches.completed >= trainer.num_training_batches:
        return epochs.processed, 0
    return epochs.processed - 1, batches.completed  # max_steps ended it early, and it may be resumed with more


def set_position(loops: dict[str, Any], epochs: int, batches: int) -> None:
    """Write the counters of a checkpoint's `fit_loop` so that they say this position and nothing half done.

    They are saved inside of a hook, where some are one ahead, and from such states Lightning repeats a batch, counts an
    epoch twice or skips a validation, depending on the hook and on whether max_steps is set.
    """
    begun = epochs + (batches > 0)
    for counter in loops["epoch_progress"].values():
        counter.update(ready=begun, started=begun, processed=epochs, completed=epochs)
    progress = loops["epoch_loop.batch_progress"]
    progress["is_last_batch"] = False
    for counter, done in ((progress["total"], progress["total"]["completed"]), (progress["current"], batches)):
        counter.update(ready=done, started=done, processed=done, completed=done)
    if batches == 0:  # what counts within the epoch
        optimizer = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
        within = [counts["current"] for counts in (loops["epoch_loop.scheduler_progress"], *optimizer.values())]
        for counter in (*within, loops["epoch_loop.val_loop.batch_progress"]["total"]):
            counter.update(dict.fromkeys(counter, 0))


def count_steps_done(trainer: L.Trainer) -> None:
    """Let logged values stand at the optimizer steps done and in epochs from 1, and log the last step, too.

    Lightning counts both from 0 there, so that the value of step 10 stands at 9; it logs every so many steps alone.
    """
    trainer._logger_connector = StepsDone(trainer)


class StepsDone(_LoggerConnector):
    """Lightning's connector to loggers, with steps and epochs counted from 1."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Hand values to the loggers, unless they bring a step of their own."""
        if metrics and step is None and "step" not in metrics:
            epochs = self.trainer.fit_loop.epoch_progress.current.ready  # that have begun
            metrics, step = metrics | {"epoch": max(1, epochs)}, self.trainer.global_step
        super().log_metrics(metrics, step)

    @property
    def should_update_logs(self) -> bool:
        """Tell whether this step is logged: every so many of them, and the last."""
        trainer: Any = self.trainer  # typed without `log_every_n_steps`
        if not isinstance(trainer._active_loop, _FitLoop):
            return super().should_update_logs
        every = trainer.log_every_n_steps
        due = every > 0 and (logged_batches(trainer) + 1) % every == 0
        return due or (every > 0 and trainer.global_step >= trainer.estimated_stepping_batches)


class EpochsFromOne(RichProgressBar):
    """Lightning's bar, with epochs counted from 1."""

    def _get_train_description(self, current_epoch: int) -> str:
        last = self.trainer.max_epochs
        return f"Epoch {current_epoch + 1}{f'/{last}' if last not in (None, -1) else ''}".ljust(10)
