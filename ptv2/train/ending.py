"""What ended a run's training before the steps that were planned."""

from typing import Any, cast

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, Timer


def ended_by(trainer: L.Trainer) -> str | None:
    """Name the setting that ended training early; None where no setting of ours did, or all steps are done."""
    if trainer.global_step >= trainer.estimated_stepping_batches:
        return None
    for stop in trainer.early_stopping_callbacks:
        if isinstance(stop, EarlyStopping) and stop.wait_count >= stop.patience:
            return f"guard.patience={stop.patience}"
    timers = [made for made in cast(Any, trainer).callbacks if isinstance(made, Timer)]
    spent = any((left := timer.time_remaining()) is not None and left <= 0 for timer in timers)
    return "trainer.max_time" if spent else None


def planned_steps(trainer: L.Trainer) -> int:
    """Return the steps that the schedule of the learning rate is made for."""
    return 0 if trainer.max_epochs == 0 else int(trainer.estimated_stepping_batches)
