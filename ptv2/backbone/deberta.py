"""DeBERTa's self-attention, written for transformers' attention interface, which its own code does not use.

It is disentangled (arXiv 2006.03654, section 3.1): to the score of two contents come the terms content to position and
position to content, read from the relative position of query and key. A prompt has no position, so its columns have the
content's score alone, at the family's own scale, as in the official code (THUDM/P-tuning-v2, model/deberta.py).

Shapes: B batch, H heads, T tokens, P prompt positions, S = P + T keys, D head width, R relative positions, W width.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.deberta import modeling_deberta as v1
from transformers.models.deberta_v2 import modeling_deberta_v2 as v2

from ptv2.backbone.attention import prompted_eager


def reroute(model: PreTrainedModel) -> bool:
    """Let DeBERTa's attention modules call the prompted function; tell whether the model has any."""
    found = [module for module in model.modules() if isinstance(module, tuple(PROMPTED))]
    for module in found:
        module.__class__ = PROMPTED.get(type(module), type(module))
    return bool(found)


class SelfAttentionV1(v1.DisentangledSelfAttention):
    """Of DeBERTa v1: one projection for queries, keys and values, and heads that may talk to each other."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, *args: Any, **kwargs: Any):
        """Attend to the prompt in force and the tokens; arguments as in the family's own forward."""
        query, key, value = self.transpose_for_scores(self.in_proj(hidden_states)).chunk(3, dim=-1)
        query = query + self.transpose_for_scores(self.q_bias[None, None])
        value = value + self.transpose_for_scores(self.v_bias[None, None])
        return _attend(self, query, key, value, attention_mask, *args, **kwargs)

    def scores(self, query_BHTD: Tensor, key_BHSD: Tensor, relative_pos: Tensor, rel_RW: Tensor) -> Tensor:
        """Compute what the softmax gets, but for the mask: [B, H, T, S]."""
        terms = 1 + len(self.pos_att_type)
        query_BHTD = query_BHTD / v1.scaled_size_sqrt(query_BHTD, terms).to(query_BHTD.dtype)
        content_BHTS = query_BHTD @ key_BHSD.transpose(-1, -2)
        if not self.relative_attention or terms == 1:
            return self.mixed(content_BHTS, "head_logits_proj")
        key_BHTD, rel_RW = _tokens(query_BHTD, key_BHSD), self.pos_dropout(rel_RW)
        position_BHTT = self.disentangled_att_bias(query_BHTD, key_BHTD, relative_pos, rel_RW, terms)
        return self.mixed(_add(content_BHTS, cast(Tensor, position_BHTT)), "head_logits_proj")

    def weights(self, scores_BHTS: Tensor) -> Tensor:
        """Compute the weights of the values from masked scores."""
        return self.mixed(self.dropout(F.softmax(scores_BHTS, dim=-1)), "head_weights_proj")

    def mixed(self, scores_BHTS: Tensor, by: str) -> Tensor:
        """Mix the heads by the layer of that name, where the config asks for talking heads."""
        projection = getattr(self, by)
        return scores_BHTS if projection is None else projection(scores_BHTS.movedim(1, -1)).movedim(-1, 1)


class SelfAttentionV2(v2.DisentangledSelfAttention):
    """Of DeBERTa v2 and v3."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, *args: Any, **kwargs: Any):
        """Attend to the prompt in force and the tokens; arguments as in the family's own forward."""
        query, key, value = (
            projection(hidden_states).unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2).contiguous()
            for projection in (self.query_proj, self.key_proj, self.value_proj)
        )
        return _attend(self, query, key, value, attention_mask, *args, **kwargs)

    def scores(self, query_BHTD: Tensor, key_BHSD: Tensor, relative_pos: Tensor, rel_RW: Tensor) -> Tensor:
        """Compute what the softmax gets, but for the mask: [B, H, T, S]."""
        terms = 1 + ("c2p" in self.pos_att_type) + ("p2c" in self.pos_att_type)
        scale = v2.scaled_size_sqrt(query_BHTD, terms).to(query_BHTD.dtype)
        content_BHTS = query_BHTD @ (key_BHSD.transpose(-1, -2) / scale)
        if not self.relative_attention or terms == 1:
            return content_BHTS
        flat = (query_BHTD.flatten(0, 1), _tokens(query_BHTD, key_BHSD).flatten(0, 1))  # [B * H, T, D]
        position = self.disentangled_attention_bias(*flat, relative_pos, self.pos_dropout(rel_RW), terms)
        return _add(content_BHTS, cast(Tensor, position).unflatten(0, query_BHTD.shape[:2]))

    def weights(self, scores_BHTS: Tensor) -> Tensor:
        """Compute the weights of the values from masked scores."""
        return self.dropout(F.softmax(scores_BHTS, dim=-1))


PROMPTED = {v1.DisentangledSelfAttention: SelfAttentionV1, v2.DisentangledSelfAttention: SelfAttentionV2}


def _attend(
    module: SelfAttentionV1 | SelfAttentionV2,
    query_BHTD: Tensor,
    key_BHTD: Tensor,
    value_BHTD: Tensor,
    mask: Tensor,
    output_attentions: bool = False,
    query_states: None = None,  # of the enhanced mask decoder, which transformers never runs
    relative_pos: Tensor | None = None,
    rel_embeddings: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Call the prompted function as transformers' own families do; states [B, T, W] and the weights, if asked for."""
    kwargs = {"relative_pos": relative_pos, "rel_embeddings": rel_embeddings}
    out_BTHD, weights = prompted_eager(module, query_BHTD, key_BHTD, value_BHTD, mask.bool(), **kwargs)
    return out_BTHD.flatten(2), weights if output_attentions else None


def eager_attention_forward(
    module: SelfAttentionV1 | SelfAttentionV2,
    query_BHTD: Tensor,
    key_BHSD: Tensor,
    value_BHSD: Tensor,
    mask: Tensor,
    relative_pos: Tensor,
    rel_embeddings: Tensor,
) -> tuple[Tensor, Tensor]:
    """Compute disentangled attention over keys whose last T are the tokens': out [B, T, H, D] and its weights.

    `prompted_eager` finds it by its name: each family's file has a function so called.
    """
    scores_BHTS = module.scores(query_BHTD, key_BHSD, relative_pos, rel_embeddings)
    scores_BHTS = scores_BHTS.masked_fill(~mask, torch.finfo(scores_BHTS.dtype).min)  # autocast: not the queries' dtype
    weights_BHTS = module.weights(scores_BHTS)
    return (weights_BHTS @ value_BHSD).transpose(1, 2), weights_BHTS


def _tokens(query_BHTD: Tensor, key_BHSD: Tensor) -> Tensor:
    """Return the keys of the tokens, without the prompt in front of them."""
    return key_BHSD[:, :, key_BHSD.shape[2] - query_BHTD.shape[2] :]


def _add(content_BHTS: Tensor, position_BHTT: Tensor) -> Tensor:
    """Add the position terms to the columns of the tokens."""
    prompt = content_BHTS.shape[3] - position_BHTT.shape[3]
    return content_BHTS + (F.pad(position_BHTT, (prompt, 0)) if prompt else position_BHTT)
