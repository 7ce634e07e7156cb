"""The loggers that `run.loggers` names."""

from pathlib import Path

from lightning.pytorch.loggers.logger import Logger

from ptv2.config.schema import Config
from ptv2.train.board.tensorboard import Board
from ptv2.train.folder import RunFolder
from ptv2.train.loggers.csv import CsvLogger
from ptv2.train.loggers.jsonl import JsonlLogger, values_of
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
            made.append(Tracker(name, config, folder.path, {} if folder.afresh else last_logged(folder.path)))
    files = {
        "jsonl": lambda: JsonlLogger(folder.path / "metrics.jsonl", first),
        "csv": lambda: CsvLogger(folder.path, first),
        "tensorboard": lambda: Board(folder.path, purge_step=first),
    }
    return [files[name]() for name in files if name in config.run.loggers] + made


def last_logged(folder: Path) -> dict[str, int]:
    """Return the last step at which earlier sessions have logged each value, by its name.

    Trackers cannot be rewound to the step that a run resumes from, and they need not be: it logs the same again. Of one
    step, some values may have been logged and others not: a run may be killed while it validates.
    """
    last: dict[str, int] = {}
    for path in (folder / "metrics.jsonl", folder / "speed.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else ():
            values = values_of(line)
            step = values.pop("step", None) or 0
            last |= {name: max(step, last.get(name, 0)) for name in values}
    return last
