"""Predictions as the records that people read: what `ptv2.predict` prints and a run folder holds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.metrics.split import Split
from ptv2.model.module import PromptModule
from ptv2.runtime.files import write_text

NAMES = ("id", "idx")  # fields of an input row that are copied to its record


def handed_through(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a record begins with: which row it is of."""
    return {key: row[key] for key in NAMES if row.get(key) is not None}


def prediction_records(
    module: PromptModule, task: str, split: str, first: Sequence[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Make one record per row of the split that was last evaluated.

    Args:
        module: holds the outputs.
        task: of the rows.
        split: that they are in.
        first: what each record begins with; None: the fields that are copied from its row.
    """
    data = module.tasks[task]
    records = []
    for index, prediction in enumerate(module.predictions(task, split)):
        row, outputs = data.rows[split].data[index], module.outputs[task][index]
        begin, answer = handed_through(row) if first is None else first[index], {data.card.label: prediction}
        records.append(
            begin | answer | data.features.shown(row, outputs) | answer
        )  # a field `scores` may be the label's
    return records


def line(record: dict[str, Any]) -> str:
    """Write a record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False)


def write_predictions(path: Path, module: PromptModule, task: str, split: str) -> None:
    """Write the split's predictions to a file, in the form that `ptv2.predict` prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(f"{line(record)}\n" for record in prediction_records(module, task, split)))


def write_scored(path: Path, split: Split) -> None:
    """Write what the metrics compared, so that runs can be compared row by row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(split), ensure_ascii=False) + "\n")


def read_scored(path: Path) -> Split:
    """Read what `write_scored` wrote.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        for side in values["sides"]:
            if "group" in side:
                side["group"] = tuple(side["group"])
        return Split(**values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        what = f"cannot be read ({type(error).__name__}: {error})"
        raise UserError(what, where=path, do="run it again with run.overwrite=true") from error
