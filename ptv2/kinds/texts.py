"""What the kinds share that read a text or a pair of texts as one vector. Shapes: B batch, C classes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig
from ptv2.kinds.features import Feature, Features, Row
from ptv2.kinds.head import Head
from ptv2.kinds.pooling import Pooling


class TextFeatures(Features):
    """inputs: `text` and, for pairs, `pair`."""

    optional_roles = ("pair",)

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        texts = [self.text(role, row, where) for role in ("text", "pair") if role in self.card.inputs]
        feature = dict(self.tokenizer(*texts, truncation=True, max_length=self.card.max_length))
        if labelled:
            feature["labels"] = self._label(row, where)
        return [feature]

    @abstractmethod
    def _label(self, row: Row, where: Callable[[], str]) -> Any:
        """Return the row's answer as the loss takes it."""


class PooledHead(Head):
    """dropout -> Linear on the pooled vector."""

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__(config, backbone, classes)
        self.pooling = Pooling(config.pooling, backbone)

    def forward(self, states: States) -> Tensor:
        return self.out(self.dropout(self.pooling(states)))
