"""Work that takes no time, for cells whose processes are what is tested."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.study.cell import Cell


def count(cell: Cell) -> dict[str, Any]:
    """Leave a mark per call; the score is the cell's number."""
    mark(cell)
    return {"score": cell.key["number"]}


def slow(cell: Cell) -> dict[str, Any]:
    mark(cell)
    time.sleep(0.3)
    return {"score": 1.0}


def refuse(cell: Cell) -> dict[str, Any]:
    mark(cell)
    raise UserError("has no rows", where="task")


def break_down(cell: Cell) -> dict[str, Any]:
    raise TypeError("a defect")


def die(cell: Cell) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def mark(cell: Cell) -> None:
    with Path(cell.settings["marks"]).open("a", encoding="utf-8") as file:
        file.write(f"{cell.name}\n")
