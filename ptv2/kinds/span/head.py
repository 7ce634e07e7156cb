"""Extractive question answering: at which tokens the answer begins and ends.

Shapes: B windows, T tokens, R tokens an answer may have, N spans kept.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ptv2.backbone import Backbone, States
from ptv2.config.schema import HeadConfig
from ptv2.kinds.head import Head

NEVER = -torch.inf


class SpanHead(Head):
    """dropout -> Linear(D, 2) on every token; mean of the cross-entropies of start and end (official QA head).

    Padding takes no part, so a window's loss and scores do not depend on its neighbours in the batch.
    """

    plain_class = "QuestionAnswering"

    def __init__(self, config: HeadConfig, backbone: Backbone, classes: int):
        super().__init__(config, backbone, classes=2)
        self.tuned: Tensor
        self.register_buffer("tuned", torch.zeros(()))  # null threshold chosen on the validation rows

    def forward(self, states: States) -> Tensor:
        assert states.last_BTD is not None  # this head reads states
        logits_BT2 = self.out(self.dropout(states.last_BTD.float()))
        return logits_BT2.masked_fill(states.mask_BT[..., None] == 0, torch.finfo(logits_BT2.dtype).min)

    def loss(self, logits_BT2: Tensor, batch: dict[str, Any]) -> Tensor:
        (start_BT, end_BT), (start_B, end_B) = logits_BT2.unbind(-1), batch["labels"].unbind(-1)
        return (F.cross_entropy(start_BT, start_B) + F.cross_entropy(end_BT, end_B)) / 2

    def decode(self, logits_BT2: Tensor, batch: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
        """Decode per window its best `spans` as (first character, end character, score), the `null` score and `tuned`.

        The official code pairs the 20 best starts with the 20 best ends. Here every pair of at most R tokens is
        scored, so the best ones are never missed.
        """
        begins_BT, stops_BT = batch["offsets"].unbind(-1)
        start_BT, end_BT = (logits_BT.masked_fill(begins_BT < 0, NEVER) for logits_BT in logits_BT2.unbind(-1))
        most = min(batch["max_answer_tokens"], start_BT.shape[1])
        end_BTR = F.pad(end_BT, (0, most - 1), value=NEVER).unfold(1, most, 1)  # [b, t, r]: the end at token t + r
        scores_BX = (start_BT[..., None] + end_BTR).flatten(1)
        best_BN = scores_BX.topk(min(batch["n_best"], scores_BX.shape[1]))
        first_BN = best_BN.indices // most
        last_BN = (first_BN + best_BN.indices % most).clamp(max=start_BT.shape[1] - 1)
        spans = zip(
            begins_BT.gather(1, first_BN).tolist(),
            stops_BT.gather(1, last_BN).tolist(),
            best_BN.values.tolist(),
            strict=True,
        )
        null_B = logits_BT2[torch.arange(len(logits_BT2)), batch["first"]].sum(-1).tolist()
        tuned = self.tuned.item()
        return [
            {"spans": [span for span in zip(*row, strict=True) if span[2] > NEVER], "null": null, "tuned": tuned}
            for row, null in zip(spans, null_B, strict=True)
        ]
