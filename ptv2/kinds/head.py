"""Heads: what reads the backbone's states. Shapes: B batch, T tokens, D width, C classes."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig
from ptv2.kinds.ensemble import joint_softmax
from ptv2.kinds.features import IGNORE, Features


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
        self.label_smoothing = config.label_smoothing
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", None, persistent=False)  # [C], of a run that weighs its labels

    plain_class: str | None = None  # of transformers with such a head: AutoModelFor...; None: there is none
    reads = "states"  # of the backbone: its last states, its language model's logits, or those at one place (answer)
    asks: str | None = None  # what a batch is run for, where that is less than what it reads
    smooths = False  # whether the loss takes `head.label_smoothing`
    votes: tuple[str, ...] = ()  # how answers of several prompts can be joined, see `prompt.vote`
    weighs = False  # whether the loss takes `optim.class_weights`

    def take(self, features: Features) -> None:
        """Take from the task's features what the head needs of them."""
        return

    @abstractmethod
    def forward(self, states: States) -> Tensor:
        """Compute the logits of a batch."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: dict[str, Any]) -> Tensor:
        """Compute the mean loss of the batch, a scalar."""

    def terms(self, batch: dict[str, Any]) -> int:
        """Count the terms that `loss` is the mean of: the weight of one rank's slice of a batch.

        `terms` of a batch is what its features counted when it was collated: to ask a GPU would wait for it.
        """
        return len(batch["labels"])

    def weights(self, counts_C: Tensor, rows: int, given_C: Tensor | None) -> Tensor:
        """Weights of the labels' losses, of mean 1 over the training labels: the loss keeps its size.

        Args:
            counts_C: how often each label occurs in the training rows.
            rows: how many training rows there are.
            given_C: the weights asked for; None: balanced, number of all / (labels * number of this one).
        """
        n = counts_C.sum()
        weights_C = n / (len(counts_C) * counts_C.clamp(min=1)) if given_C is None else given_C
        return weights_C * n / (weights_C * counts_C).sum()

    def cross_entropy(self, logits_NC: Tensor, labels_N: Tensor) -> Tensor:
        """Return the sum of the terms' weighted cross-entropies, smoothed, over their number.

        It is not divided by the weights of a batch, as `F.cross_entropy` would: then the parts of several ranks, each
        weighed by its share of the terms, would not sum to the loss of one process with all rows.
        """
        if self.class_weights is None:
            return F.cross_entropy(logits_NC, labels_N, label_smoothing=self.label_smoothing)
        settings = {"weight": self.class_weights, "label_smoothing": self.label_smoothing}
        return F.cross_entropy(logits_NC, labels_N, reduction="sum", **settings) / (labels_N != IGNORE).sum()

    def joint(self, members: list[Tensor], batch: dict[str, Any], vote: str) -> Tensor:
        """Return the logits that stand for those of several prompts, for a kind that `votes`."""
        return joint_softmax(torch.stack(members), vote == "majority")

    @abstractmethod
    def decode(self, logits: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """Decode the answer to each row of the batch in plain Python: names and probabilities."""
