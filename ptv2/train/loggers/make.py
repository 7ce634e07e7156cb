"""The loggers that `run.loggers` names."""

import json
from pathlib import Path

from lightning.pytorch.loggers.logger import Logger

from ptv2.config.schema import Config
from ptv2.train.board.tensorboard import Board
from ptv2.train.folder import RunFolder
from ptv2.train.loggers.csv import CsvLogger
from ptv2.train.loggers.jsonl import JsonlLogger
from ptv2.train.loggers.tracker import OPENERS, Tracker, check_installed


def make_loggers(config: Config, folder: RunFolder, first: int) -> list[Logger]:
    """Make the loggers of a run; none of them writes before the first value.

    Args:
        config: of the run.
        folder: of the run.
        first: the first step that this process logs.

    Raises:
        UserError: the package of one is not installed.
    """
    made: list[Logger] = []
    for name in config.run.loggers:
        if name in OPENERS:
            check_installed(name)
            made.append(Tracker(name, config, folder.path, 0 if folder.afresh else last_logged(folder.path)))
    files = {
        "jsonl": lambda: JsonlLogger(folder.path / "metrics.jsonl", first),
        "csv": lambda: CsvLogger(folder.path, first),
        "tensorboard": lambda: Board(folder.path, purge_step=first),
    }
    return [files[name]() for name in files if name in config.run.loggers] + made


def last_logged(folder: Path) -> int:
    """Return the last step of which an earlier session has written a line; 0 before the first.

    Trackers cannot be rewound to the step that a run resumes from, and they need not be: it logs the same again.
    """
    last = 0
    for path in (folder / "metrics.jsonl", folder / "speed.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else ():
            if line.endswith("\n"):  # a killed process may leave a part of one
                last = max(last, json.loads(line)["step"] or 0)
    return last
