"""Multi-label classification: any number of labels per text, none included."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.errors import UserError
from ptv2.kinds.cls import ClsFeatures, ClsHead
from ptv2.kinds.features import Row


class MultilabelFeatures(ClsFeatures):
    """inputs: `text` and, for pairs, `pair`; label: a list of names or ids."""

    @classmethod
    def label_values(cls, card: Any, rows: Any) -> list[object]:
        return [value for values in rows[card.label] for value in values or []]

    def _label(self, row: Row, where: Callable[[], str]) -> list[int]:
        """One 0 or 1 per label."""
        ids = self._ids(row, where)
        return [int(i in ids) for i in range(len(self.labels))]

    def _ids(self, row: Row, where: Callable[[], str]) -> set[int]:
        values = row.get(self.card.label)
        if not isinstance(values, list):
            do = "give a list, empty where no label applies"
            raise UserError(f"field '{self.card.label}' holds no list of labels", where=where(), do=do)
        return {self.labels.id(value, where()) for value in values}

    def collate_labels(self, labels: list[Any], length: int) -> torch.Tensor:
        return torch.tensor(labels, dtype=torch.float32)

    def reference(self, row: Row) -> list[str]:
        """Names in the order of their ids."""
        return [self.labels.names[i] for i in sorted(self._ids(row, lambda: self.card.name))]

    def prediction(self, row: Row, outputs: list[Any]) -> list[str]:
        return outputs[0]["labels"]

    def baseline(self, training: list[list[str]], references: list[list[str]]) -> list[list[str]]:
        """The labels that most training rows have, or where none is so common, the commonest one."""
        counts = Counter(name for names in training for name in names)
        usual = [name for name in self.labels.names if counts[name] * 2 > len(training)]
        return [usual or [name for name, _ in counts.most_common(1)]] * len(references)


class MultilabelHead(ClsHead):
    """dropout -> Linear on the pooled vector; binary cross-entropy per label; a label holds above p = 0.5."""

    def loss(self, logits_BC: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits_BC, batch["labels"])

    def decode(self, logits_BC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        scores = [dict(zip(names, row, strict=True)) for row in logits_BC.sigmoid().tolist()]
        return [{"labels": [name for name, p in s.items() if p > 0.5], "scores": s} for s in scores]
