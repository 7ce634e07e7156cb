"""What the kinds share that read a text or a pair of texts as one vector. Shapes: B batch, C classes."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig
from ptv2.kinds.features import Feature, Features, Row
from ptv2.kinds.head import Head
from ptv2.kinds.options import COMMON, CUT
from ptv2.kinds.pooling import Pooling


class TextFeatures(Features):
    """inputs: `text` and, for pairs, `pair`."""

    optional_roles = ("pair",)
    valid_options = COMMON | CUT

    def encode(
        self, row: Row, where: Callable[[], str], labelled: bool = True, training: bool = False
    ) -> list[Feature]:
        feature = self.fitted(*(self.parts(r, row, where) for r in ("text", "pair") if r in self.card.inputs))
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
