"""Scores of label names, sets of label names, and numbers.

torchmetrics takes seconds to import, so it is where one of its functions is called.
"""

import math
from typing import Literal

import numpy as np
import torch

from ptv2.metrics.split import Split


def accuracy(split: Split) -> float:
    """Compute the share of right answers: words in tagging, rows whose whole set is right in multi-label tasks."""
    answers = list(split.rows())
    if split.by_word:
        answers = [pair for tags in answers for pair in zip(*tags, strict=True)]
    return sum(predicted == gold for predicted, gold in answers) / len(answers)


def f1(split: Split) -> float:
    """Compute the F1 of the last label, the positive class (GLUE: MRPC, QQP)."""
    from torchmetrics.functional.classification import binary_f1_score

    positive = f1_settings(split)["positive"]
    predicted, gold = (
        torch.tensor([answer == positive for answer in answers]).int()
        for answers in (split.predictions, split.references)
    )
    return binary_f1_score(predicted, gold).item()


def f1_settings(split: Split) -> dict[str, str]:
    """Name the label whose F1 it is."""
    return {"positive": split.names[-1]}


def macro_f1(split: Split) -> float:
    """Compute F1 averaged over the labels, each counted alike; one that is neither predicted nor gold is left out."""
    from torchmetrics.functional.classification import multiclass_f1_score

    return multiclass_f1_score(*_ids(split), num_classes=len(split.names), average="macro").item()


def matthews(split: Split) -> float:
    """Compute the Matthews correlation (GLUE: CoLA); 0 where the predictions or the answers are all one label."""
    from torchmetrics.functional import matthews_corrcoef

    if len(set(split.predictions)) < 2 or len(set(split.references)) < 2:
        return 0.0
    return matthews_corrcoef(*_ids(split), task="multiclass", num_classes=len(split.names)).item()


def pearson(split: Split) -> float:
    """Compute the Pearson correlation; 0 where the predictions or the answers do not vary, NaN where one is NaN."""
    return _correlation(*_numbers(split))


def spearman(split: Split) -> float:
    """Compute the Spearman rank correlation, that of mean ranks; see `pearson`."""
    predicted_N, gold_N = _numbers(split)
    if np.isnan(predicted_N).any():
        return math.nan
    return _correlation(_ranks(predicted_N), _ranks(gold_N))


def micro_f1(split: Split) -> float:
    """Compute F1 over all pairs of row and label (multi-label)."""
    return _multilabel_f1(split, "micro")


def macro_f1_multilabel(split: Split) -> float:
    """Compute each label's F1 over the rows, averaged over labels; 0 for one that is neither predicted nor gold."""
    return _multilabel_f1(split, "macro")


def _multilabel_f1(split: Split, average: Literal["micro", "macro"]) -> float:
    from torchmetrics.functional.classification import multilabel_f1_score

    predicted, gold = (
        torch.tensor([[name in row for name in split.names] for row in rows]).int()
        for rows in (split.predictions, split.references)
    )
    return multilabel_f1_score(predicted, gold, num_labels=len(split.names), average=average).item()


def _ids(split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the label ids of the predictions and of the references."""
    ids = {name: i for i, name in enumerate(split.names)}
    predicted, gold = (
        torch.tensor([ids[name] for name in answers]) for answers in (split.predictions, split.references)
    )
    return predicted, gold


def _numbers(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(split.predictions, float), np.asarray(split.references, float)


def _ranks(values_N: np.ndarray) -> np.ndarray:
    """Rank values from 1; equal ones have their mean rank."""
    _, place_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place_N]


def _correlation(predicted_N: np.ndarray, gold_N: np.ndarray) -> float:
    if predicted_N.min() == predicted_N.max() or gold_N.min() == gold_N.max():
        return 0.0
    with np.errstate(invalid="ignore"):  # infinite numbers have none: NaN
        return float(np.corrcoef(predicted_N, gold_N)[0, 1])
