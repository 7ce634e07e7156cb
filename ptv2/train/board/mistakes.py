"""Wrong answers as text: gold beside predicted, the surest mistakes first."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds.templates import Row, value_at
from ptv2.metrics.spans import scheme_of, spans
from ptv2.train.board.text import bold, cell, excerpt, table

SHOWN = 12  # rows per task
AROUND = 120  # characters of a context on both sides of an answer


def mistakes(
    data: TaskData, predictions: Sequence[Any], references: Sequence[Any], outputs: dict[int, list[Any]]
) -> str:
    """Write a table of the validation rows that are answered wrongly, and how many there are.

    Tags are shown as spans in their sentence, answers of a context with what stands around them.
    """
    rows = data.rows["validation"].data
    found = []
    for i, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
        if far := distance(data, predicted, gold):
            found.append((far, confidence(data, rows[i], outputs[i]), i))
    found.sort(key=lambda one: (-(one[1] or 0.0), -one[0], one[2]))
    lines = []
    for _, sure, i in found[:SHOWN]:
        text, gold, predicted = compared(data, rows[i], predictions[i], references[i])
        lines.append([text, gold, predicted, "" if sure is None else f"{sure:.2f}"])
    said = f"{len(found)} of {len(references)} validation rows are answered wrongly."
    if references and isinstance(references[0], float):
        said = f"The {len(lines)} of {len(references)} validation rows whose answers are farthest from gold."
    columns = ["row", "gold", "predicted", "confidence"]
    if not any(line[3] for line in lines):
        columns, lines = columns[:3], [line[:3] for line in lines]
    return f"{said}\n\n{table(columns, lines)}" if lines else said


def distance(data: TaskData, predicted: Any, gold: Any) -> float:
    """Say how wrong an answer is; 0: right."""
    if isinstance(gold, float):  # of a regression no answer is right to the last bit
        return abs(predicted - gold)
    if data.features.by_word:
        return float(sum(a != b for a, b in zip(predicted, gold, strict=True)))
    if isinstance(predicted, str) and isinstance(gold, list):  # one of several that are right; none: no answer
        return float(predicted.strip().lower() not in {text.strip().lower() for text in gold or [""]})
    if isinstance(gold, list):
        return float(len(set(predicted) ^ set(gold)))
    return float(predicted != gold)


def confidence(data: TaskData, row: Row, outputs: list[Any]) -> float | None:
    """Return how sure an answer is, where its kind says so."""
    shown = data.features.shown(row, outputs)
    if isinstance(shown.get("scores"), dict) and shown["scores"]:
        return max(max(p, 1 - p) if "labels" in outputs[0] else p for p in shown["scores"].values())
    return shown.get("score")


def compared(data: TaskData, row: Row, predicted: Any, gold: Any) -> tuple[str, str, str]:
    """Write what was read, the right answer and the one given, each as a cell of a table."""
    features = data.features
    if features.by_word:
        words = row[features.card.inputs["tokens"]]
        return excerpt(" ".join(words)), tagged(data, words, gold), tagged(data, words, predicted)
    if "context" in features.card.inputs and isinstance(predicted, str):
        context, question = _text(data, "context", row), _text(data, "question", row)
        return excerpt(question), _in(context, [*gold, ""][0]), _in(context, predicted)
    read = " / ".join(filter(None, (_text(data, role, row) for role in features.card.inputs)))
    return excerpt(read), _said(gold), _said(predicted)


def tagged(data: TaskData, words: Sequence[str], tags: Sequence[str | None]) -> str:
    """Write the spans of a sentence by type: `PER: Ann, Bob Ray; LOC: Rome`."""
    found = spans([tag or "O" for tag in tags], scheme_of(data.label_names()))
    found.sort(key=lambda span: span[0])
    groups = groupby(found, key=lambda span: span[0])
    texts = [
        f"<em>{cell(kind)}</em>: " + ", ".join(bold(" ".join(words[first : last + 1])) for _, first, last in own)
        for kind, own in groups
    ]
    return "<br>".join(texts) or "no spans"


def _in(context: str, answer: str) -> str:
    """Write an answer highlighted among what stands around it."""
    start = context.find(answer) if answer else -1
    if start < 0:
        return bold(answer) if answer else "no answer"
    end = start + len(answer)
    before, after = context[max(0, start - AROUND) : start], context[end : end + AROUND]
    dots = "… " if start > AROUND else "", " …" if end + AROUND < len(context) else ""
    return f"{dots[0]}{cell(before)}{bold(answer)}{cell(after)}{dots[1]}"


def _text(data: TaskData, role: str, row: Row) -> str:
    """Return an input's text, or the value of its field where that is no template."""
    try:
        return data.features.text(role, row, lambda: data.card.name)
    except (UserError, TypeError, ValueError):
        return str(value_at(row, data.card.inputs[role]) or "")


def _said(answer: Any) -> str:
    if isinstance(answer, dict):  # of a choice
        return bold(str(answer.get("text", answer)))
    if isinstance(answer, float):
        return f"{answer:.3f}"
    return bold(", ".join(map(str, answer)) if isinstance(answer, list) else str(answer)) or "none"
