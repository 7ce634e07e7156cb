"""Classification and regression of a text or a pair of texts."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig
from ptv2.errors import UserError
from ptv2.kinds.features import Feature, Features, Row
from ptv2.kinds.head import Head
from ptv2.kinds.pooling import Pooling


class ClsFeatures(Features):
    """inputs: `text` and, for pairs, `pair`; label: one of `labels`."""

    optional_roles = ("pair",)

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        texts = [self.text(role, row, where) for role in ("text", "pair") if role in self.card.inputs]
        feature = dict(self.tokenizer(*texts, truncation=True, max_length=self.card.max_length))
        if labelled:
            feature["labels"] = self._label(row, where)
        return [feature]

    def _label(self, row: Row, where: Callable[[], str]) -> int | float:
        if row.get(self.card.label) in (None, ""):
            raise UserError(f"field '{self.card.label}' holds no label", where=where())
        return self.labels.id(row[self.card.label], where())


class RegressionFeatures(ClsFeatures):
    """As classification, with a number as the answer."""

    @classmethod
    def has_labels(cls) -> bool:
        return False

    def reference(self, row: Row) -> float:
        return float(row[self.card.label])

    def prediction(self, row: Row, outputs: list[Any]) -> float:
        return outputs[0]["value"]

    def baseline(self, training: list[float], references: list[float]) -> list[float]:
        """The mean of the training rows."""
        return [sum(training) / len(training)] * len(references)

    def _label(self, row: Row, where: Callable[[], str]) -> float:
        value = row.get(self.card.label)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
            raise UserError(f"field '{self.card.label}' is '{value}', not a number", where=where())
        return float(value)


class ClsHead(Head):
    """dropout -> Linear on the pooled vector; cross-entropy over the labels."""

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__(config, backbone, classes)
        self.pooling = Pooling(config.pooling, backbone)

    def forward(self, states: States) -> Tensor:
        return self.out(self.dropout(self.pooling(states)))

    def loss(self, logits_BC: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.cross_entropy(logits_BC, batch["labels"])

    def decode(self, logits_BC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        scores = [dict(zip(names, row, strict=True)) for row in logits_BC.softmax(-1).tolist()]
        return [{"label": max(s, key=s.__getitem__), "scores": s} for s in scores]


class RegressionHead(ClsHead):
    """One number per text; mean squared error."""

    def loss(self, logits_B1: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.mse_loss(logits_B1[:, 0], batch["labels"].float())

    def decode(self, logits_B1: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        return [{"value": value} for value in logits_B1[:, 0].tolist()]
