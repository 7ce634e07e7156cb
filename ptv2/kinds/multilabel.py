"""Multi-label classification: any number of labels per text, none included. Shapes: B batch, C labels."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.errors import UserError
from ptv2.kinds.ensemble import joint_sigmoid
from ptv2.kinds.features import Explained, Feature, Row, one_label
from ptv2.kinds.grading import MULTILABEL
from ptv2.kinds.texts import PooledHead, TextFeatures
from ptv2.rows.labels import text_of


class MultilabelFeatures(TextFeatures):
    """inputs: `text` and, for pairs, `pair`; label: a list of names or ids, or a 0 or 1 for each label."""

    grading = MULTILABEL

    repeats = False
    trivial = "the labels that most rows have, or the commonest one"
    version = 3

    @classmethod
    def label_values(cls, value: object, field: str, where: Callable[[], str]) -> list[object]:
        values = listed(value, field, where)
        if (twice := repeated_number(values)) is not None:
            do = "give each label once; where rows hold vectors of 0 and 1, name the labels in the card"
            raise UserError(f"the label {text_of(twice)} appears twice in field '{field}'", where=where(), do=do)
        return values

    def _label(self, row: Row, where: Callable[[], str]) -> list[int]:
        """Return one 0 or 1 per label."""
        ids = self._ids(row, where)
        return [int(i in ids) for i in range(len(self.labels))]

    def _ids(self, row: Row, where: Callable[[], str]) -> set[int]:
        field = self.card.label
        values = listed(row.get(field), field, where)
        if self._is_vector(values, where):
            return {i for i, value in enumerate(values) if value}
        if (twice := repeated_number(values)) is not None:
            what = f"the label {text_of(twice)} appears twice in field '{field}'"
            do = f"give each label once, or one 0 or 1 for each of the {len(self.labels)} labels"
            raise UserError(what, where=where(), do=do)
        return {self.labels.id(value, where()) for value in values}

    def _is_vector(self, values: list[object], where: Callable[[], str]) -> bool:
        """Tell whether the values are a 0 or 1 for each label, in their order (multi-hot), and not names or ids."""
        if len(values) != len(self.labels) or any(isinstance(v, str) or v not in (0, 1) for v in values):
            return False
        if any(value in self.labels for value in values):
            if self.card.labels is None and self.labels.names == ["0", "1"] and values[0] != values[1]:
                what = f"field '{self.card.label}' holds {values}, which may be two labels or a 0 or 1 for each of two"
                raise UserError(what, where=where(), do="name the labels in the card")
            return False
        if self.labels.by_id and len(values) == 2 and values[0] != values[1]:
            what = f"field '{self.card.label}' holds {values}, which may be two ids or a 0 or 1 for each label"
            raise UserError(what, where=where(), do="write the labels' names")
        return True

    def collate_labels(self, labels: list[Any], length: int) -> torch.Tensor:
        return torch.tensor(labels, dtype=torch.float32)

    def reference(self, row: Row) -> list[str]:
        """List names in the order of their ids."""
        return [self.labels.names[i] for i in sorted(self._ids(row, lambda: self.card.name))]

    def prediction(self, row: Row, outputs: list[Any]) -> list[str]:
        return outputs[0]["labels"]

    def baseline(self, training: list[list[str]], references: list[list[str]]) -> list[list[str]]:
        """Predict the labels that most training rows have, or where none is so common, the commonest one."""
        counts = Counter(name for names in training for name in names)
        usual = [name for name in self.labels.names if counts[name] * 2 > len(training)]
        return [usual or [name for name, _ in counts.most_common(1)]] * len(references)

    def explain(self, row: Row, feature: Feature) -> Explained:
        names = [name for name, there in zip(self.labels.names, feature["labels"], strict=True) if there]
        return [self.tokens(feature["input_ids"]), f"labels: {', '.join(names) or 'none'}"], {"labels": names}


def listed(value: object, field: str, where: Callable[[], str]) -> list[object]:
    """Read the labels of a row.

    Raises:
        UserError: not a list, or something in it that is not a label.
    """
    if not isinstance(value, list):
        do = "give a list, empty where no label applies"
        raise UserError(f"field '{field}' does not hold a list of labels", where=where(), do=do)
    return [one_label(item, f"{field}[{i}]", where) for i, item in enumerate(value)]


def repeated_number(values: list[object]) -> object | None:
    """Find the first number that appears twice; a name may."""
    seen = set()
    for value in values:
        if isinstance(value, str):
            continue
        if value in seen:
            return value
        seen.add(value)
    return None


class MultilabelHead(PooledHead):
    """dropout -> Linear on the pooled vector; binary cross-entropy per label; a label holds above p = 0.5."""

    plain_class = "SequenceClassification"
    weighs = True
    votes = ("mean", "majority")

    def weights(self, counts_C: Tensor, rows: int, given_C: Tensor | None) -> Tensor:
        """Weights of the labels where they hold; balanced: rows without the label / rows with it."""
        if given_C is not None:
            return given_C
        without_C = rows - counts_C
        return torch.where((counts_C > 0) & (without_C > 0), without_C / counts_C.clamp(min=1), 1.0)

    def loss(self, logits_BC: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits_BC, batch["labels"], pos_weight=self.class_weights)

    def joint(self, members: list[Tensor], batch: dict[str, Any], vote: str) -> Tensor:
        return joint_sigmoid(torch.stack(members), vote == "majority")

    def decode(self, logits_BC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        scores = [dict(zip(names, row, strict=True)) for row in logits_BC.sigmoid().tolist()]
        return [{"labels": [name for name, p in s.items() if p > 0.5], "scores": s} for s in scores]
