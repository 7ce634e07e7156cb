"""Scores over groups of rows that belong together: the answers of a question, the two rows of a minimal pair.

A row's group is what stands in the fields that the card's `options.group` lists; see `Features.side`. Scores are
fractions of the groups.
"""

from collections import defaultdict
from typing import Any

from ptv2.errors import UserError
from ptv2.metrics.split import Split


def em_question(split: Split) -> float:
    """Compute the share of groups whose rows are all right (MultiRC: every answer of a question)."""
    right: dict[tuple[Any, ...], bool] = defaultdict(lambda: True)
    for (prediction, reference), group in zip(split.rows(), _groups(split, "em_question"), strict=True):
        right[group] &= prediction == reference
    return sum(right.values()) / len(right)


def gender_parity(split: Split) -> float:
    """Compute the share of pairs with one prediction for both rows (AX-g); 0 where no pair is complete.

    The rows of AX-g with the indices 2i and 2i + 1 differ in the gender of a pronoun alone. `options.group` is the
    index, and rows whose partner is missing, as under `data.limit`, are skipped.
    """
    pairs: dict[int, list[Any]] = defaultdict(list)
    for prediction, (index, *_) in zip(split.predictions, _groups(split, "gender_parity"), strict=True):
        pairs[int(index) // 2].append(prediction)
    complete = [pair for pair in pairs.values() if len(pair) == 2]
    return sum(first == second for first, second in complete) / len(complete) if complete else 0.0


def _groups(split: Split, metric: str) -> list[tuple[Any, ...]]:
    groups = [side.get("group") or () for side in split.sides]
    if any(not group or None in group for group in groups):
        what = f"metric '{metric}' needs the group of every row"
        raise UserError(what, where="task.options.group", do="list fields that all rows have, e.g. [idx]")
    return groups
