"""Which answers of a run are wrong, and which of these to look at first: the surest, or the farthest from right."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import Features
from ptv2.kinds.grading import EQUAL, Grade
from ptv2.model.predictions import Record


@dataclass(frozen=True)
class Mistakes:
    """What a file of predictions holds.

    Args:
        records: of the rows that have a gold answer.
        wrong: those that are not right, the worst first.
        first: what stands first, in words.
    """

    records: list[Record]
    wrong: list[Record]
    first: str


def read_mistakes(path: Path, kind: str) -> Mistakes | None:
    """Read a file of predictions; None: nothing in it can be right or wrong.

    Args:
        path: of a run's `predictions/<task>.<split>.jsonl`.
        kind: of the task; one of the user's own is graded by whether prediction and gold are equal.

    Raises:
        UserError: a line is no record.
    """
    records: list[Record] = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")  # texts may hold other ends of a line
    for number, line in enumerate(filter(None, lines), 1):
        try:
            record = json.loads(line)
            if record.get("gold") is not None and record["prediction"] is not None:
                records.append(record)
        except (ValueError, KeyError, AttributeError) as error:
            do = "score the run again: remove its results.json and run it"
            raise UserError("is not a record of a prediction", where=f"{path}:{number}", do=do) from error
    features = KINDS[kind].features if kind in KINDS else Features
    if features.answers == "text" and not any(record["prediction"] for record in records):
        return None  # its metrics needed no text
    if not records:
        return None
    grading = features.grading
    graded = [(found, record) for record in records if (found := _grade(grading.grade, record)) is not None]
    graded.sort(key=lambda pair: pair[0], reverse=True)
    return Mistakes(records, [record for _, record in graded], grading.first)


def _grade(grade: Callable[[Record], Grade], record: Record) -> Grade:
    """Grade a record; one that was written in another form than its kind's is graded by equality."""
    try:
        return grade(record)
    except (TypeError, AttributeError, KeyError, ValueError):
        return EQUAL.grade(record)
