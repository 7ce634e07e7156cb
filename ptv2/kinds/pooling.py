"""One vector per text from the states of its tokens. Shapes: B batch, T tokens, D width."""

import torch
from torch import Tensor, nn

from ptv2.backbone import Backbone, States
from ptv2.errors import UserError


class Pooling(nn.Module):
    """Pool the states into one vector [B, D] per text.

    cls: the first token's state. mean: the mean over real tokens. pooler: the backbone's own pooler, frozen (the
    official code). dense: a trained Linear and Tanh on the first token, a pooler learned with the head. last: the last
    real token's state, the one that has read the whole text where attention is causal.

    Raises:
        UserError: the backbone has no pooler, or its first token sees no other.
    """

    def __init__(self, kind: str, backbone: Backbone):
        super().__init__()
        self.kind = kind
        if kind == "pooler" and not backbone.has_pooler:
            raise UserError(
                f"backbone family '{backbone.model.config.model_type}' has no pooler",
                where="head.pooling",
                do="use cls, mean or dense",
            )
        if kind in ("cls", "dense") and backbone.is_causal:
            raise UserError(
                f"backbone family '{backbone.model.config.model_type}' is causal: its first token sees no other",
                where="head.pooling",
                do="use last or mean",
            )
        self.dense = nn.Linear(backbone.width, backbone.width) if kind == "dense" else None

    def forward(self, states: States) -> Tensor:
        if self.kind == "pooler":
            assert states.pooled_BD is not None  # of a backbone that has a pooler
            return states.pooled_BD.float()
        assert states.last_BTD is not None  # of a head that reads states
        last_BTD = states.last_BTD.float()
        if self.kind == "mean":
            mask_BT1 = states.mask_BT[..., None].to(last_BTD.dtype)
            return (last_BTD * mask_BT1).sum(1) / mask_BT1.sum(1)
        if self.kind == "last":
            columns_T = torch.arange(last_BTD.shape[1], device=last_BTD.device)
            return last_BTD[torch.arange(last_BTD.shape[0]), (states.mask_BT * columns_T).argmax(1)]
        first_BD = last_BTD[:, 0]
        return first_BD if self.dense is None else torch.tanh(self.dense(first_BD))
