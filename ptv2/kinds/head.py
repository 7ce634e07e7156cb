"""Heads: what reads the backbone's states. Shapes: B batch, T tokens, D width, C classes."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig


class Head(nn.Module, ABC):
    """Logits, loss and decoding of one task. Computes in float32, whatever the backbone's dtype.

    Args:
        config: pooling and dropout.
        backbone: gives the width and says whether there is a pooler.
        classes: size of the output.
    """

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(backbone.width, classes)
        nn.init.normal_(self.out.weight, std=0.02)  # as the pretrained models' own heads
        nn.init.zeros_(self.out.bias)

    reads = "states"  # of the backbone: its last states, or its language model's logits

    @abstractmethod
    def forward(self, states: States) -> Tensor:
        """Logits of a batch."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: dict[str, Any]) -> Tensor:
        """Mean loss of the batch, a scalar."""

    def terms(self, batch: dict[str, Any]) -> int:
        """How many terms `loss` is the mean of: what one rank's share of a batch weighs."""
        return len(batch["labels"])

    @abstractmethod
    def decode(self, logits: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """What each row of the batch says, in plain Python: names and probabilities."""
