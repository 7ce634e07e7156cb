"""What the validation answers look like beside the right ones: confusion, precision and recall, reliability.

Shapes: N rows, C labels.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptv2.data.taskdata import TaskData
from ptv2.metrics.spans import scheme_of
from ptv2.train.board.draw import Picture, heat_map, reliability

SHOWN = 24  # labels in a confusion matrix; the rarer ones are one row
CURVES = 12  # labels with a curve of precision and recall
BINS = 10  # of confidence
OTHERS = "others"


def confusion(data: TaskData, predictions: Sequence[Any], references: Sequence[Any], title: str) -> Picture | None:
    """Draw which label is taken for which: counts, coloured by their share of the row's label.

    Of tags the types are compared, word by word. None for kinds that name no single label.
    """
    pairs = label_pairs(data, predictions, references)
    if pairs is None:
        return None
    known = list(dict.fromkeys(map(_type_of(data), data.label_names())))
    counts = Counter(gold for gold, _ in pairs) + Counter(name for _, name in pairs)
    names = [name for name in known if name in counts] if len(known) > SHOWN else known
    common = {name for name, _ in counts.most_common(SHOWN - 1)}
    shown = names if len(names) <= SHOWN else [name for name in names if name in common] + [OTHERS]
    place = {name: i for i, name in enumerate(shown)}
    matrix_CC = np.zeros((len(shown), len(shown)))
    for gold, predicted in pairs:
        matrix_CC[place.get(gold, len(shown) - 1), place.get(predicted, len(shown) - 1)] += 1
    share_CC = matrix_CC / np.maximum(matrix_CC.sum(1, keepdims=True), 1)
    texts = [[f"{int(n)}" if n else "" for n in row] for row in matrix_CC]
    return heat_map(share_CC, shown, shown, title, ("gold", "predicted"), (0.0, 1.0), texts=texts)


def label_pairs(data: TaskData, predictions: Sequence[Any], references: Sequence[Any]) -> list[tuple[str, str]] | None:
    """List (gold, predicted) of each row, or of each word; None for kinds that name no single label."""
    if data.features.by_word:
        kind = _type_of(data)
        words = [pair for tags in zip(references, predictions, strict=True) for pair in zip(*tags, strict=True)]
        return [(kind(gold), kind(predicted)) for gold, predicted in words if None not in (gold, predicted)]
    if not data.features.one_name:
        return None
    return list(zip(references, predictions, strict=True))


def _type_of(data: TaskData) -> Any:
    """Return what makes the type of a tag: without its prefix, where the tags have some."""
    names = data.label_names()
    if not data.features.by_word or scheme_of(names) == "type":
        return str
    return lambda tag: tag.partition("-")[2] or tag


def curves(
    data: TaskData, outputs: dict[int, list[Any]], references: Sequence[Any]
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.floating]]]:
    """Return (is it right?, its score) of every row [N] by label, for the most frequent labels of kinds that score all.

    Of two labels the positive one stands for both.
    """
    names = data.label_names()
    if not names or "scores" not in outputs[0][0]:
        return {}
    sets = [set(gold) if isinstance(gold, list) else {gold} for gold in references]
    counts = Counter(name for gold in sets for name in gold)
    wanted = [name for name, _ in counts.most_common(CURVES)]
    if len(names) == 2 and data.features.one_name:
        wanted = [data.features.positive() or names[-1]]
    scores = [outputs[i][0]["scores"] for i in range(len(sets))]
    return {
        name: (np.array([name in gold for gold in sets]), np.array([row.get(name, 0.0) for row in scores]))
        for name in wanted
        if any(name in gold for gold in sets)
    }


def confidences(
    predictions: Sequence[Any], references: Sequence[Any], outputs: dict[int, list[Any]]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]] | None:
    """Return how sure each answer is and whether it is right; of several labels, each is an answer of its own."""
    if "scores" not in outputs[0][0]:
        return None
    sure, right = [], []
    for i, (predicted, gold) in enumerate(zip(predictions, references, strict=True)):
        scores = outputs[i][0]["scores"]
        if isinstance(gold, list):
            for name, p in scores.items():
                sure.append(max(p, 1 - p))
                right.append((name in predicted) == (name in gold))
        else:
            sure.append(max(scores.values()))
            right.append(predicted == gold)
    return np.array(sure), np.array(right)


def binned(sure: NDArray[np.floating], right: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """Sort answers into bins of equal width: mean confidence, share of right answers, number of answers."""
    at = np.minimum((sure * BINS).astype(int), BINS - 1)
    inside = [at == i for i in range(BINS)]
    return [(float(sure[b].mean()), float(right[b].mean()), int(b.sum())) if b.any() else (0.0, 0.0, 0) for b in inside]


def expected_error(bins: Sequence[tuple[float, float, int]]) -> float:
    """Compute the expected calibration error: the mean distance of confidence and share of right answers."""
    total = sum(n for *_, n in bins)
    return sum(n * abs(sure - right) for sure, right, n in bins) / total if total else 0.0


def reliability_of(sure: NDArray[np.floating], right: NDArray[np.bool_], task: str) -> Picture:
    """Draw the reliability diagram of a task."""
    bins = binned(sure, right)
    return reliability(bins, f"{task}: expected calibration error {expected_error(bins):.3f}")
