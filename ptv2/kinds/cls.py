"""Classification of a text or a pair of texts. Shapes: B batch, C classes."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds.features import Explained, Feature, Row, one_label
from ptv2.kinds.options import COMMON, CUT, LABEL
from ptv2.kinds.texts import PooledHead, TextFeatures
from ptv2.rows.labels import Labels

TWO_CLASSES = {"f1", "f1a"}  # metrics of one class, the positive one, against the other


class ClsFeatures(TextFeatures):
    """inputs: `text` and, for pairs, `pair`; label: one of `labels`."""

    one_name = True
    version = 3
    valid_options = COMMON | CUT | {"positive": LABEL}

    def _label(self, row: Row, where: Callable[[], str]) -> int:
        return self.labels.id(one_label(row.get(self.card.label), self.card.label, where), where())

    @classmethod
    def check_names(cls, card: TaskCard, names: list[str]) -> None:
        for metric in TWO_CLASSES & set(card.metrics):
            if len(names) > 2:
                what = f"'{metric}' is a score of two labels, and there are {len(names)}"
                raise UserError(what, where=f"{card.name}.metrics", do="use macro_f1, or accuracy (as micro F1)")
        if (positive := card.options.get("positive")) is not None:
            where, labels = f"{card.name}.options.positive", Labels(names, f"'{card.name}'")
            if isinstance(positive, bool) and positive not in labels:
                what = f"no label is {str(positive).lower()}, as YAML reads yes, no, on and off without quotes"
                raise UserError(what, where=where, do="write the label in quotes")
            labels.id(positive, where)

    def positive(self) -> str | None:
        """Return the label that the card names, or else the last."""
        if not TWO_CLASSES & set(self.card.metrics):
            return None
        chosen = self.card.options.get("positive")
        return self.labels.names[-1 if chosen is None else self.labels.id(chosen, self.card.name)]

    def scored_names(self) -> list[str]:
        """List the label names, the positive one last."""
        return sorted(self.labels.names, key=lambda name: name == self.positive())

    def explain(self, row: Row, feature: Feature) -> Explained:
        name = self.labels.names[feature["labels"]]
        return [self.tokens(feature["input_ids"]), f"label {feature['labels']}: {name}"], {"label": name}


class ClsHead(PooledHead):
    """dropout -> Linear on the pooled vector; cross-entropy over the labels."""

    plain_class = "SequenceClassification"
    smooths = weighs = True
    votes = ("mean", "majority")

    def loss(self, logits_BC: Tensor, batch: dict[str, Any]) -> Tensor:
        return self.cross_entropy(logits_BC, batch["labels"])

    def decode(self, logits_BC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        scores = [dict(zip(names, row, strict=True)) for row in logits_BC.softmax(-1).tolist()]
        return [{"label": max(s, key=s.__getitem__), "scores": s} for s in scores]
