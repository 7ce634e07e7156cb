"""Scores of label names, sets of label names, and numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torchmetrics.functional import (
    matthews_corrcoef,
    pearson_corrcoef,
    spearman_corrcoef,
)
from torchmetrics.functional.classification import binary_f1_score, multiclass_f1_score, multilabel_f1_score


def accuracy(predictions: Sequence[Any], references: Sequence[Any], names: Sequence[str]) -> float:
    """Share of equal answers."""
    return sum(p == r for p, r in zip(predictions, references, strict=True)) / len(references)


def f1(predictions: Sequence[str], references: Sequence[str], names: Sequence[str]) -> float:
    """F1 of the last label, the positive class (GLUE: MRPC, QQP)."""
    positive = names[-1]
    return binary_f1_score(
        torch.tensor([p == positive for p in predictions]).int(),
        torch.tensor([r == positive for r in references]).int(),
    ).item()


def macro_f1(predictions: Sequence[str], references: Sequence[str], names: Sequence[str]) -> float:
    """F1 averaged over the labels, each counted alike."""
    predicted, gold = _ids(predictions, names), _ids(references, names)
    return multiclass_f1_score(predicted, gold, num_classes=len(names), average="macro").item()


def matthews(predictions: Sequence[str], references: Sequence[str], names: Sequence[str]) -> float:
    """Matthews correlation (GLUE: CoLA); 0 where the predictions are all one label."""
    predicted, gold = _ids(predictions, names), _ids(references, names)
    return matthews_corrcoef(predicted, gold, task="multiclass", num_classes=len(names)).item()


def pearson(predictions: Sequence[float], references: Sequence[float], names: Sequence[str]) -> float:
    """Pearson correlation; 0 where the predictions do not vary."""
    return _correlation(pearson_corrcoef, predictions, references)


def spearman(predictions: Sequence[float], references: Sequence[float], names: Sequence[str]) -> float:
    """Spearman rank correlation; 0 where the predictions do not vary."""
    return _correlation(spearman_corrcoef, predictions, references)


def micro_f1(predictions: Sequence[list[str]], references: Sequence[list[str]], names: Sequence[str]) -> float:
    """F1 over all pairs of row and label (multi-label)."""
    return _multilabel_f1(predictions, references, names, "micro")


def macro_f1_multilabel(
    predictions: Sequence[list[str]], references: Sequence[list[str]], names: Sequence[str]
) -> float:
    """F1 of each label over the rows, averaged over the labels; 0 for one that is neither predicted nor gold."""
    return _multilabel_f1(predictions, references, names, "macro")


def _multilabel_f1(predictions: Sequence[list[str]], references: Sequence[list[str]], names: Sequence[str], how: str):
    predicted, gold = (torch.tensor([[n in row for n in names] for row in rows]) for rows in (predictions, references))
    return multilabel_f1_score(predicted.int(), gold.int(), num_labels=len(names), average=how).item()


def _ids(answers: Sequence[str], names: Sequence[str]) -> torch.Tensor:
    ids = {name: i for i, name in enumerate(names)}
    return torch.tensor([ids[answer] for answer in answers])


def _correlation(function: Callable, predictions: Sequence[float], references: Sequence[float]) -> float:
    predicted, gold = torch.tensor(predictions).double(), torch.tensor(references).double()
    if len(gold) < 2 or predicted.std() == 0 or gold.std() == 0:
        return 0.0
    return function(predicted, gold).item()
