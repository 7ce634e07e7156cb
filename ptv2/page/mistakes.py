"""Which answers of a run are wrong, and which of these to look at first: the surest, or the farthest from right."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptv2.errors import UserError
from ptv2.metrics.qa import row_f1
from ptv2.model.predictions import Record

Grade = tuple[float, ...] | None
"""How bad an answer is: the larger, the earlier it is shown; None: it is right."""


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
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            record = json.loads(line)
            if record.get("gold") is not None and record["prediction"] is not None:
                records.append(record)
        except (ValueError, KeyError, AttributeError) as error:
            do = "score the run again: remove its results.json and run it"
            raise UserError("is not a record of a prediction", where=f"{path}:{number}", do=do) from error
    if kind == "seq2seq" and not any(record["prediction"] for record in records):
        return None  # its metrics needed no text
    if not records:
        return None
    grade, first = GRADES.get(kind, (_equal, "the surest first"))
    graded = [(found, record) for record in records if (found := _grade(grade, record)) is not None]
    graded.sort(key=lambda pair: pair[0], reverse=True)
    return Mistakes(records, [record for _, record in graded], first)


def _grade(grade: Callable[[Record], Grade], record: Record) -> Grade:
    """Grade a record; one that was written in another form than its kind's is graded by equality."""
    try:
        return grade(record)
    except (TypeError, AttributeError, KeyError, ValueError):
        return _equal(record)


def sureness(record: Record) -> float | None:
    """Return how likely the model found its answer; None: the record does not say."""
    scores, prediction = record.get("scores"), record["prediction"]
    if isinstance(scores, Mapping):
        name = prediction["index"] if isinstance(prediction, dict) and "index" in prediction else prediction
        found = scores.get(str(name))
        return float(found) if isinstance(found, int | float) else None
    return float(record["score"]) if isinstance(record.get("score"), int | float) else None


def _equal(record: Record) -> Grade:
    return None if record["prediction"] == record["gold"] else (sureness(record) or 0.0,)


def _choice(record: Record) -> Grade:
    same = record["prediction"]["index"] == record["gold"]["index"]
    return None if same else (sureness(record) or 0.0,)


def _multilabel(record: Record) -> Grade:
    return (float(len(different)),) if (different := set(record["prediction"]) ^ set(record["gold"])) else None


def _regression(record: Record) -> Grade:
    off = abs(record["prediction"] - record["gold"])
    return (math.inf,) if math.isnan(off) else (off,) if off else None


def _tagging(record: Record) -> Grade:
    pairs = zip(record["prediction"], record["gold"], strict=True)
    return (float(count),) if (count := sum(predicted != gold for predicted, gold in pairs)) else None


def _span(record: Record) -> Grade:
    f1 = row_f1(record["prediction"], record["gold"])
    return None if f1 == 1 else (1 - f1, sureness(record) or 0.0)


def _cloze(record: Record) -> Grade:
    return None if record["prediction"] in record["gold"] else (sureness(record) or 0.0,)


def _seq2seq(record: Record) -> Grade:
    from sacrebleu import sentence_chrf

    chrf = max(sentence_chrf(record["prediction"], [text]).score for text in record["gold"])
    return None if record["prediction"] in record["gold"] else (100 - chrf,)


GRADES: dict[str, tuple[Callable[[Record], Grade], str]] = {
    "cls": (_equal, "the surest first"),
    "choice": (_choice, "the surest first"),
    "cloze": (_cloze, "the surest first"),
    "multilabel": (_multilabel, "those with the most wrong labels first"),
    "regression": (_regression, "the farthest from the gold number first"),
    "tagging": (_tagging, "those with the most wrong words first"),
    "span": (_span, "those that share least with a gold answer first, of these the surest"),
    "seq2seq": (_seq2seq, "those least like a reference (chrF) first"),
}
"""Kind -> how its answers are graded, and in which order that puts them."""
