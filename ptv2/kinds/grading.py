"""How wrong an answer is: what orders the mistakes that people look at, kind by kind."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ptv2.metrics.qa import row_f1

Record = dict[str, Any]  # as docs/predictions.md describes it
Grade = tuple[float, ...] | None
"""How bad an answer is: the larger, the earlier it is shown; None: it is right."""


class Grading(NamedTuple):
    """How the answers of a kind are graded, and what that puts first, in words."""

    grade: Callable[[Record], Grade]
    first: str


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


EQUAL = Grading(_equal, "the surest first")
BY_CHOICE = Grading(_choice, "the surest first")
CLOZE = Grading(_cloze, "the surest first")
MULTILABEL = Grading(_multilabel, "those with the most wrong labels first")
REGRESSION = Grading(_regression, "the farthest from the gold number first")
TAGGING = Grading(_tagging, "those with the most wrong words first")
SPAN = Grading(_span, "those that share least with a gold answer first, of these the surest")
SEQ2SEQ = Grading(_seq2seq, "those least like a reference (chrF) first")
