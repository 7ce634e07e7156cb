"""The official prompt embedding [P, 2 * L * D] reads in as the official code reads it.

THUDM/P-tuning-v2, model/prefix_encoder.py and `get_prompt` of model/sequence_classification.py: the embedding is viewed
as [B, P, 2L, heads, D], permuted (2, 0, 3, 1, 4) and split in twos, so slot 2i is layer i's key, 2i + 1 its value.
"""

import pytest
import torch
from families import DEPTH, FAMILIES, HEAD_DIM, HEADS, WIDTH, fill_rows, make_backbone, make_prompt
from torch import Tensor

from ptv2.methods.deep.vectors import from_official, to_official

B, P = 3, 5


def official_past_key_values(weight: Tensor, layers: int) -> tuple[Tensor, ...]:
    """Per layer [2, B, heads, P, D], key first: `get_prompt` of the official code, without its dropout."""
    prefix_tokens = torch.arange(P).unsqueeze(0).expand(B, -1)
    past_key_values = torch.nn.functional.embedding(prefix_tokens, weight)
    past_key_values = past_key_values.view(B, P, layers * 2, HEADS, HEAD_DIM)
    return past_key_values.permute([2, 0, 3, 1, 4]).split(2)


def official_weight(layers: int) -> Tensor:
    return torch.randn(P, 2 * layers * WIDTH, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("family", FAMILIES)
def test_keys_and_values_are_the_official_ones(family):
    layers = DEPTH[family]
    weight = official_weight(layers)
    prompt = fill_rows(make_prompt(make_backbone(family), length=P), from_official(weight, layers))

    prompts = prompt(B).sites

    for ours, official_2BHPD in zip(prompts, official_past_key_values(weight, layers), strict=True):
        assert torch.equal(ours.key_BGPD.expand(B, -1, -1, -1), official_2BHPD[0])
        assert torch.equal(ours.value_BGPE.expand(B, -1, -1, -1), official_2BHPD[1])


def test_the_layout_round_trips():
    weight = official_weight(layers=4)
    rows = from_official(weight, layers=4)
    assert [row.shape for row in rows] == [(P, 2 * WIDTH)] * 4
    assert torch.equal(to_official(rows), weight)


def test_a_prompt_has_the_size_of_the_official_one():
    prompt = make_prompt(make_backbone("bert"), length=P)
    assert sum(p.numel() for p in prompt.parameters()) == official_weight(layers=3).numel()  # 2 * P * L * D


@pytest.mark.parametrize(("shape", "layers"), [((P, 100), 3), ((2, P, 96), 3)])
def test_another_layout_is_refused(shape, layers):
    with pytest.raises(ValueError, match="is not"):
        from_official(torch.zeros(shape), layers)
