"""A run that tells a search how it does, and ends where it stays behind."""

from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback


class Pruned(Exception):
    """The search has ended the run: other trials were better after as many validations.

    Args:
        validations: how many this run has had.
        score: its last.
    """

    def __init__(self, validations: int, score: float):
        self.validations, self.score = validations, score
        super().__init__(f"ended after validation {validations}, at a score of {score:.4f}")


class Reports(Callback):
    """Report `validation/score` after each validation.

    Args:
        report: takes the number of the validation, from 1 on, and its score; tells whether the run is to end.
    """

    def __init__(self, report: Callable[[int, float], bool]):
        self.report = report
        self.validations = 0

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        score = trainer.callback_metrics.get("validation/score")
        if trainer.sanity_checking or score is None:
            return
        self.validations += 1
        if self.report(self.validations, float(score)):
            raise Pruned(self.validations, float(score))

    def state_dict(self) -> dict[str, Any]:
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.validations = state_dict["validations"]
