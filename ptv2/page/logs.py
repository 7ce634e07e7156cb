"""Curves from a run's files of JSON lines: metrics.jsonl and speed.jsonl."""

import json
from collections.abc import Sequence
from pathlib import Path

from ptv2.errors import UserError

Points = list[tuple[float, float]]
"""(step, value), in the order of the file."""
NO_CURVE = ("step", "epoch")
MOST = 400  # points of a curve that are drawn


def read_curves(path: Path) -> dict[str, Points]:
    """Read each name's values by step, of a file that is there or not, or whose last line is not whole yet.

    Raises:
        UserError: a line is damaged.
    """
    if not path.is_file():
        return {}
    curves: dict[str, Points] = {}
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not line.endswith("\n"):  # its writer is at work, or was killed
            break
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            step = float(values["step"])
        except (ValueError, KeyError, TypeError) as error:
            do = "remove the line, or run it again with run.overwrite=true"
            raise UserError("is not a line of logged values", where=f"{path}:{number}", do=do) from error
        for name, value in values.items():
            if name not in NO_CURVE and isinstance(value, int | float):
                curves.setdefault(name, []).append((step, float(value)))
    return curves


def thinned(points: Sequence[tuple[float, float]]) -> Points:
    """Return at most `MOST` points of a curve: the lowest and highest of each stretch, so that no peak is lost.

    A value that is no number is kept out of the order: it stands for a gap, and there a stretch keeps it instead.
    """
    if len(points) <= MOST:
        return list(points)
    kept: Points = []
    stretches = MOST // 2
    for i in range(stretches):
        stretch = points[len(points) * i // stretches : len(points) * (i + 1) // stretches]
        known = [point for point in stretch if point[1] == point[1]]
        ends = {min(known, key=_value), max(known, key=_value)} if known else {stretch[0]}
        kept += sorted(ends)
    return kept


def _value(point: tuple[float, float]) -> float:
    return point[1]
