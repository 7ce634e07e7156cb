"""DeBERTa's attention in textbook code, with given keys and values in front: for models that ptv2 never touched.

Written from the paper (He et al. 2020, arXiv 2006.03654, equations 2 to 4) for one pair of tokens at a time: the score
of query i and key j is q_i k_j + q_i r_d + k_j r'_d over the square root of D times the number of terms, where d stands
for the distance i - j. (The paper has j - i in the last term; the released weights were trained with i - j in both.)
"""

import math
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

KeyValue = tuple[Tensor, Tensor]
Matrices = dict[str, list[Tensor]]


def join_by_hand(model: PreTrainedModel, given: list[KeyValue], beside: list[Matrices] | None = None):
    """The model with the next layer's given key and value, each [1 or B, H, P, D], in front of its own.

    `beside` has each layer's matrices by form and head: maps of the queries and values, and a memory.
    """
    modules = [layer.attention.self for layer in model.encoder.layer]
    for module, key_value, matrices in zip(modules, given, beside or [{}] * len(given), strict=True):
        module.forward = MethodType(_forward(*key_value, matrices), module)
    return model


def _forward(given_key: Tensor, given_value: Tensor, matrices: Matrices):
    def forward(module, hidden, mask, output_attentions=False, relative_pos=None, rel_embeddings=None, **_: Any):
        B, T, _ = hidden.shape
        plain, key, value = (heads(module, states) for states in projections(module, hidden))
        query, value = mapped(plain, matrices.get("queries", [])), mapped(value, matrices.get("values", []))
        terms = [name for name in ("c2p", "p2c") if name in module.pos_att_type]
        all_keys = torch.cat([given_key.expand(B, -1, -1, -1), key], dim=2)
        all_values = torch.cat([given_value.expand(B, -1, -1, -1), value], dim=2)
        P = given_key.shape[2]
        scores = query @ all_keys.transpose(2, 3)
        if module.relative_attention:
            for name, i, j in [(name, i, j) for name in terms for i in range(T) for j in range(T)]:
                states = query[:, :, i] if name == "c2p" else key[:, :, j]
                r = position(module, name, rel_embeddings[row_of(module, i - j, T)])
                scores[:, :, i, P + j] += (states * r).sum(-1)
        scores = scores / math.sqrt(query.shape[3] * (1 + len(terms)))
        scores = across(scores, getattr(module, "head_logits_proj", None))
        hidden_BTT = mask[:, 0] == 0
        scores[..., P:] = scores[..., P:].masked_fill(hidden_BTT[:, None], torch.finfo(scores.dtype).min)
        weights = across(scores.softmax(dim=3), getattr(module, "head_weights_proj", None))
        read = weights @ all_values
        for h, matrix in enumerate(matrices.get("memory", [])):
            read[:, h] += plain[:, h].tanh() @ matrix
        out = torch.cat([read[:, h] for h in range(module.num_attention_heads)], dim=2)
        return out, weights if output_attentions else None

    return forward


def projections(module: nn.Module, hidden: Tensor) -> list[Tensor]:
    """Queries, keys and values [B, T, H * D]; v1 keeps a head's three beside each other, with two biases."""
    if hasattr(module, "query_proj"):
        return [module.query_proj(hidden), module.key_proj(hidden), module.value_proj(hidden)]
    D, joint = module.attention_head_size, module.in_proj(hidden)
    parts = []
    for n, bias in enumerate((module.q_bias, 0, module.v_bias)):
        starts = [(3 * h + n) * D for h in range(module.num_attention_heads)]
        parts.append(torch.cat([joint[..., s : s + D] for s in starts], dim=-1) + bias)
    return parts


def heads(module: nn.Module, states: Tensor) -> Tensor:
    """[..., H * D] as [B, H, T, D], or [H, D] of one vector."""
    D = module.attention_head_size
    return torch.stack([states[..., h * D : (h + 1) * D] for h in range(module.num_attention_heads)], dim=-3)


def mapped(states_BHTD: Tensor, matrices: list[Tensor]) -> Tensor:
    """Each head's states plus the head's map of them."""
    if not matrices:
        return states_BHTD
    return torch.stack([states_BHTD[:, h] + states_BHTD[:, h] @ matrix for h, matrix in enumerate(matrices)], dim=1)


def position(module: nn.Module, name: str, embedding_W: Tensor) -> Tensor:
    """The key (c2p) or query (p2c) of a relative position [H, D]."""
    if getattr(module, "share_att_key", False):
        project = module.key_proj if name == "c2p" else module.query_proj
    elif hasattr(module, "query_proj"):
        project = module.pos_key_proj if name == "c2p" else module.pos_query_proj
    else:
        project = module.pos_proj if name == "c2p" else module.pos_q_proj
    return heads(module, project(embedding_W)[None])[:, 0]


def row_of(module: nn.Module, distance: int, tokens: int) -> int:
    """The row of the table for a distance: as it is, or in buckets that grow with its logarithm (v2)."""
    half = module.max_relative_positions
    if getattr(module, "position_buckets", -1) > 0:
        middle, half = module.position_buckets // 2, module.position_buckets
        if abs(distance) > middle:
            steps = math.log(abs(distance) / middle) / math.log((module.max_relative_positions - 1) / middle)
            distance = int(math.copysign(math.ceil(steps * (middle - 1)) + middle, distance))
    if not hasattr(module, "query_proj"):  # v1 reads the middle of the table, as far as the batch is long
        span = min(tokens, half)
        return half - span + min(max(distance + span, 0), 2 * span - 1)
    return min(max(distance + half, 0), 2 * half - 1)


def across(scores_BHTS: Tensor, projection: nn.Linear | None) -> Tensor:
    """Heads that talk to each other: each is a mixture of all."""
    if projection is None:
        return scores_BHTS
    return torch.einsum("gh,bhts->bgts", projection.weight, scores_BHTS)
