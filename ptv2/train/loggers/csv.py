"""metrics.csv: every logged value in a table, a column a name."""

import csv
import warnings
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.csv_logs import CSVLogger
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only


class CsvLogger(Logger, CSVLogger):
    """Lightning's logger without a copy of the config; a resumed run keeps the rows before its checkpoint.

    Args:
        folder: the run folder.
        start: the first step that this process logs.
    """

    def __init__(self, folder: Path, start: int = 0):
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=10**9)  # at each save
        self.path, self.start = folder / "metrics.csv", start

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer, which begins with the rows of earlier sessions."""
        if self._experiment is None:
            kept = self._earlier()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the folder is not empty: it removes metrics.csv alone
                self.path.unlink(missing_ok=True)
                super().experiment.metrics += kept
                super().experiment.save()  # a kill before the next save would lose them
        return self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder's config.yaml holds them."""

    def save(self) -> None:
        """Write out the rows so far."""
        if self._experiment is not None:
            super().save()

    def _earlier(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if (row.get("step") or "").isdigit()]
        return [{k: v for k, v in row.items() if k and v} for row in rows if int(row["step"]) < self.start]
