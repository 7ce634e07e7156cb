"""Predictions as the records that people read: what `ptv2.predict` prints and a run folder holds.

docs/predictions.md describes their fields.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ptv2.config.run import PredictionsConfig
from ptv2.errors import UserError
from ptv2.kinds.features import Features
from ptv2.kinds.templates import value_at
from ptv2.metrics.split import Split
from ptv2.model.prompted import PromptedModel
from ptv2.rows.columns import column_of
from ptv2.rows.rows import Rows
from ptv2.runtime.files import write_text

Record = dict[str, Any]

NAMES = ("id", "idx")  # fields of an input row that are copied to its record


def begin(number: int, row: Mapping[str, Any]) -> Record:
    """Return what a record begins with: the number of its row in the source, and the row's own name, if any."""
    return {"row": number} | {key: row[key] for key in NAMES if row.get(key) is not None}


def prediction_records(
    module: PromptedModel,
    task: str,
    split: str,
    shown: PredictionsConfig,
    first: Sequence[Record] | None = None,
    sources: Sequence[Mapping[str, Any]] | None = None,
) -> list[Record]:
    """Make one record per row of the split that was last evaluated.

    Args:
        module: holds the outputs.
        task: of the rows.
        split: that they are in.
        shown: what a record holds.
        first: what each record begins with; None: what the split's rows say.
        sources: the rows as they came, where those of the split lack fields; None: they do not.
    """
    data = module.tasks[task]
    return records_of(data.features, data.rows[split], module.outputs[task], shown, first, sources)


def records_of(
    features: Features,
    rows: Rows,
    decoded: Mapping[int, list[Any]],
    shown: PredictionsConfig,
    first: Sequence[Record] | None = None,
    sources: Sequence[Mapping[str, Any]] | None = None,
) -> list[Record]:
    """Make one record per row of what a head decoded for its features, see `prediction_records`."""
    records = []
    for index in range(len(rows.data)):
        row, outputs = rows.data[index], decoded[index]
        source = row if sources is None else sources[index]
        record = begin(rows.number(index), row) if first is None else dict(first[index])
        record["prediction"] = features.prediction(row, outputs)
        if (gold := gold_of(features, source)) is not None:
            record["gold"] = gold
        more = features.shown(row, outputs)
        if "scores" in more:
            more["scores"] = highest(more["scores"], shown.top)
        record |= {key: value for key, value in more.items() if key not in record}
        if shown.inputs:
            columns = sorted({column_of(field, source) for field in features.fields()})
            record["inputs"] = {column: source.get(column) for column in columns}
        records.append(record)
    return records


def gold_of(features: Features, row: Mapping[str, Any]) -> Any:
    """Return a row's own answer in the form of the prediction; None where it has none that can be read."""
    fields = (features.card.label, features.card.options.get("references"))
    if all(field is None or value_at(dict(row), field) is None for field in fields):
        return None
    try:
        gold = features.reference(dict(row))
    except (UserError, TypeError, ValueError, LookupError, AttributeError):  # of a row that nothing has checked
        return None
    if isinstance(gold, list) and None in gold:
        return [one for one in gold if one is not None] or None
    return gold


def highest(scores: Mapping[str, float], top: int | None) -> dict[str, float]:
    """Return the `top` highest scores, or all of them, the highest first; equal ones keep their order."""
    return dict(sorted(scores.items(), key=lambda item: -item[1])[:top])


def line(record: Record) -> str:
    """Write a record as a line of JSON."""
    return json.dumps(record, ensure_ascii=False)


def write_predictions(path: Path, module: PromptedModel, task: str, split: str) -> None:
    """Write the split's predictions to a file, in the form that `ptv2.predict` prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    records = prediction_records(module, task, split, module.config.run.predictions)
    write_text(path, "".join(f"{line(record)}\n" for record in records))


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
