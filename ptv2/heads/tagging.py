"""Token tagging: a label per word, read at its first piece."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ptv2.backbone import States
from ptv2.data.features import IGNORE
from ptv2.heads.base import Head


class TaggingHead(Head):
    """dropout -> Linear on every token; cross-entropy over first pieces."""

    def forward(self, states: States) -> Tensor:
        return self.out(self.dropout(states.last_BTD.float()))

    def loss(self, logits_BTC: Tensor, batch: dict[str, Any]) -> Tensor:
        return F.cross_entropy(logits_BTC.flatten(0, 1), batch["labels"].flatten(), ignore_index=IGNORE)

    def terms(self, batch: dict[str, Any]) -> int:
        return int((batch["labels"] != IGNORE).sum())

    def decode(self, logits_BTC: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        best_BT = logits_BTC.argmax(-1).tolist()
        return [
            {"tags": {word: names[tags[position]] for word, position in pieces.items()}}
            for tags, pieces in zip(best_BT, batch["first_pieces"], strict=True)
        ]
