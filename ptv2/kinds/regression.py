"""Regression: a number for a text or a pair of texts. Shapes: B batch."""

import re
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.errors import UserError
from ptv2.kinds.features import Explained, Feature, Features, Row
from ptv2.kinds.grading import REGRESSION
from ptv2.kinds.texts import PooledHead, TextFeatures
from ptv2.rows.arrays import Encoded
from ptv2.rows.labels import missing

LARGEST = torch.finfo(torch.float32).max  # the head computes in float32
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class RegressionFeatures(TextFeatures):
    """inputs: `text` and, for pairs, `pair`; label: a number."""

    grading = REGRESSION

    trivial = "the mean"
    version = 2

    @classmethod
    def has_labels(cls) -> bool:
        return False

    def reference(self, row: Row) -> float:
        return self._label(row, lambda: self.card.name)

    def prediction(self, row: Row, outputs: list[Any]) -> float:
        return outputs[0]["value"]

    def baseline(self, training: list[float], references: list[float]) -> list[float]:
        """Predict the mean of the training rows."""
        return [sum(training) / len(training)] * len(references)

    def notices(self, encoded: Encoded) -> list[str]:
        numbers = set(encoded["labels"]) if "labels" in encoded.column_names else set()
        same = [f"every row has the number {numbers.pop():g}, so correlations are 0"] if len(numbers) == 1 else []
        return super().notices(encoded) + same

    def _label(self, row: Row, where: Callable[[], str]) -> float:
        field, value = self.card.label, row.get(self.card.label)
        if missing(value):
            raise UserError(f"field '{field}' holds no number", where=where())
        given = value
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):  # a cell of a CSV file is a text
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            do = "write a number, with a point before its decimals"
            raise UserError(f"field '{field}' is '{given}', not a number", where=where(), do=do)
        if abs(value) > LARGEST:
            raise UserError(f"field '{field}' is {str(given)[:20]}, which is too large", where=where(), do="scale it")
        return float(value)

    def explain(self, row: Row, feature: Feature) -> Explained:
        return Features.explain(self, row, feature)[0], {"value": feature["labels"]}


class RegressionHead(PooledHead):
    """One number per text; mean squared error."""

    plain_class = "SequenceClassification"
    votes = ("mean",)

    def loss(self, logits_B1: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.mse_loss(logits_B1[:, 0], batch["labels"].float())

    def joint(self, members: list[Tensor], batch: dict[str, Any], vote: str) -> Tensor:
        return torch.stack(members).mean(0)

    def decode(self, logits_B1: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        return [{"value": value} for value in logits_B1[:, 0].tolist()]
