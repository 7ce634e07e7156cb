"""Padding changes nothing: a row alone and the same row in a longer batch give equal states and logits."""

import pytest
import torch
from families import FAMILIES, NUMBERED, make_backbone, make_batch, make_prompt, real
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS
from ptv2.kinds.head import Head

LENGTHS = (9, 6, 3)
POOLINGS = ("cls", "mean", "dense")


def rows_of(batch: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """Each row as a batch of its own, without its padding."""
    return [{key: value[i : i + 1, :length] for key, value in batch.items()} for i, length in enumerate(LENGTHS)]


def head_of(backbone: Backbone, kind: str, pooling: str = "cls") -> Head:
    torch.manual_seed(4)
    head = KINDS[kind].head(HeadConfig(pooling=pooling), backbone, 3).eval()
    torch.nn.init.normal_(head.out.weight, std=0.2)
    return head


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_states_do_not_depend_on_padding(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_batch(family, LENGTHS)
    prompt = make_prompt(backbone)
    wider = make_batch(family, LENGTHS, width=20)

    together = real(backbone(batch, prompt(3)).last_BTD, batch)
    alone = torch.cat([backbone(row, prompt(1)).last_BTD[0] for row in rows_of(batch)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(real(backbone(wider, prompt(3)).last_BTD, wider), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", NUMBERED)
@torch.no_grad()
def test_nor_with_the_official_positions(family):
    backbone, batch = make_backbone(family), make_batch(family, LENGTHS)
    prompt = make_prompt(backbone)
    backbone.position_shift = prompt.max_length

    together = real(backbone(batch, prompt(3)).last_BTD, batch)
    alone = torch.cat([backbone(row, prompt(1)).last_BTD[0] for row in rows_of(batch)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_do_not_depend_on_padding(family, pooling):
    backbone, batch = make_backbone(family), make_batch(family, LENGTHS)
    prompt, head = make_prompt(backbone), head_of(backbone, "cls", pooling)

    together = head(backbone(batch, prompt(3)))
    alone = torch.cat([head(backbone(row, prompt(1))) for row in rows_of(batch)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-2  # rows are told apart


@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "albert"])
@torch.no_grad()
def test_nor_those_of_the_own_pooler(family):
    backbone, batch = make_backbone(family), make_batch(family, LENGTHS)
    prompt, head = make_prompt(backbone), head_of(backbone, "cls", "pooler")

    together = head(backbone(batch, prompt(3)))
    alone = torch.cat([head(backbone(row, prompt(1))) for row in rows_of(batch)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_tag_logits_of_real_tokens_do_not_depend_on_padding(family):
    backbone, batch = make_backbone(family), make_batch(family, LENGTHS)
    prompt, head = make_prompt(backbone), head_of(backbone, "tagging")

    together = real(head(backbone(batch, prompt(3))), batch)
    alone = torch.cat([head(backbone(row, prompt(1)))[0] for row in rows_of(batch)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
