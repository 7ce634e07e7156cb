"""metrics.jsonl: every logged value, one JSON object a line."""

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from ptv2.runtime.files import write_text


class JsonlLogger(Logger):
    """Append {"step": ..., "epoch": ..., <name>: <value>} to a file: optimizer steps done, and epochs from 1.

    A resumed run repeats the steps after its checkpoint: their earlier lines are dropped.

    Args:
        path: the file.
        start: the first step that this process logs.
    """

    def __init__(self, path: Path, start: int = 0):
        super().__init__()
        self.path, self.start = path, start
        self.started = False
        self.last = max(start - 1, 0)  # the step of a value that is logged without one

    @property
    def name(self) -> str:
        return "jsonl"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if not self.started:
            self._rewind()
            self.started = True
        self.last = self.last if step is None else step
        line = json.dumps({"step": self.last} | {k: v if isinstance(v, int) else float(v) for k, v in metrics.items()})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the run folder's config.yaml holds them."""

    def save(self) -> None:
        """Make sure that the disk has the lines of the steps that a checkpoint is about to call done."""
        if self.path.is_file():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    def _rewind(self) -> None:
        if self.path.is_file():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            values = [values_of(line) for line in lines]
            earlier = (type(of.get("step")) is int and of["step"] < self.start for of in values)
            write_text(self.path, "".join(line for line, is_kept in zip(lines, earlier, strict=True) if is_kept))


def values_of(line: str) -> dict[str, Any]:
    """Read a line with its end; nothing of one that is damaged or cut off, as a killed process may leave it."""
    try:
        values = json.loads(line) if line.endswith("\n") else {}
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
