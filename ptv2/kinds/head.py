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
        """Compute the logits of a batch."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: dict[str, Any]) -> Tensor:
        """Compute the mean loss of the batch, a scalar."""

    def terms(self, batch: dict[str, Any]) -> int:
        """Count the terms that `loss` is the mean of: the weight of one rank's slice of a batch."""
        return len(batch["labels"])

    @abstractmethod
    def decode(self, logits: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """Decode the answer to each row of the batch in plain Python: names and probabilities."""
