"""Checks a split of a task: which rows cannot be used, how long the others are, what their answers are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ptv2.data.bad_rows import tried
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds.features import Feature

SHOWN = 4  # answers that are named


@dataclass(frozen=True)
class SplitCheck:
    """What was found in one split.

    Args:
        rows: all rows.
        bad: number of the row -> why it cannot be used.
        features: what the other rows become.
        longest: tokens of the longest feature.
        mean: tokens of a feature.
        cut: share of the rows of which a limit takes text, words or the answer, see `Features.limits`.
        references: the answers of the other rows.
    """

    rows: int
    bad: dict[int, str]
    features: int
    longest: int
    mean: float
    cut: float
    references: list[Any]


def check_split(data: TaskData, split: str) -> SplitCheck:
    """Encode every row of a split, the bad ones included."""
    rows, features = data.rows[split], data.features
    bad, lengths, references, cut = {}, [], [], 0
    for index, found in tried(features, rows):
        if isinstance(found, UserError):
            bad[index] = str(found)
            continue
        cut += any(feature.get(limit) for feature in found for limit in features.limits)
        lengths += [length for feature in found for length in lengths_of(feature)]
        references.append(features.reference(rows.data[index]))
    return SplitCheck(
        rows=len(rows.data),
        bad=bad,
        features=len(lengths),
        longest=max(lengths, default=0),
        mean=sum(lengths) / max(1, len(lengths)),
        cut=cut / max(1, len(references)),
        references=references,
    )


COLUMNS = ["card", "split", "rows", "bad", "features", "longest", "mean", "cut", "answers"]
NOTE = "longest, mean: tokens of a feature; cut: share of rows that lose text to a length limit"


@dataclass
class Checked:
    """What was found in the rows of a task.

    Args:
        lines: of a table with `COLUMNS`.
        notes: the first bad rows of each split.
        unusable: splits with bad rows that the card may not skip, and how many those are.
        bad: number of bad rows, by split.
    """

    lines: list[list[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    bad: dict[str, int] = field(default_factory=dict)


def check_rows(name: str, data: TaskData, skip: bool) -> Checked:
    """Encode every row of every split; `skip`: whether the card may leave bad rows out."""
    checked = Checked()
    for split in data.rows:
        found = check_split(data, split)
        tokens = [found.features, found.longest, f"{found.mean:.0f}", f"{found.cut:.1%}"]
        answers = answers_of(found.references, data.labels is not None)
        checked.lines.append([name, split, found.rows, len(found.bad), *tokens, answers])
        checked.notes += [f"{name} {split}: {reason}" for reason in list(found.bad.values())[:3]]
        checked.bad[split] = len(found.bad)
        left_out = skip and len(found.bad) <= data.card.bad_row_limit and found.features
        if found.bad and not left_out:
            checked.unusable.append(f"{len(found.bad)} of {found.rows} {split}")
    return checked


def lengths_of(feature: Feature) -> list[int]:
    """Count the tokens of a feature's encodings; multiple choice has one for each choice."""
    ids = feature["input_ids"]
    return [len(choice) for choice in ids] if isinstance(ids[0], list) else [len(ids)]


def answers_of(references: list[Any], named: bool) -> str:
    """Describe the answers in a few words: the commonest, or their range.

    Args:
        references: of all rows.
        named: whether they are made of label names.
    """
    if not references:
        return "-"
    if all(isinstance(answer, float) for answer in references):
        mean = sum(references) / len(references)
        return f"{min(references):g} to {max(references):g}, mean {mean:.2f}"
    silent = sum(answer == [] or (isinstance(answer, list) and set(answer) == {"O"}) for answer in references)
    without = [f"{silent / len(references):.0%} of the rows without"] if silent else []
    if isinstance(references[0], list) and not named:  # texts
        return ", ".join([f"{sum(map(len, references)) / len(references):.1f} a row", *without])
    counts = Counter(name for answer in references for name in _names(answer))
    usual = [f"{name} {count / counts.total():.0%}" for name, count in counts.most_common(SHOWN)]
    more = [f"{len(counts) - SHOWN} more"] if len(counts) > SHOWN else []
    return ", ".join([*usual, *more, *without])


def _names(answer: Any) -> list[str]:
    """List the names that an answer counts for: a tag sequence for its spans, a choice for its letter or number."""
    if isinstance(answer, dict):
        return [str(answer.get("letter", answer.get("index")))]
    if isinstance(answer, list):
        return [name.removeprefix("B-") for name in answer if name != "O" and not name.startswith("I-")]
    return [str(answer)]
