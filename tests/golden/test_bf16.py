"""A bfloat16 backbone with float32 prompts: what is learned keeps its precision, the result stays close."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_prompt, open_gates, real

from ptv2.backbone import Backbone
from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS

# bfloat16 has 8 bits of mantissa: 2 ** -8 relative, over a few layers of values around 1.
CLOSE = 0.1


def make_bf16(family: str) -> Backbone:
    """Cast once before prompts are installed, as `load_backbone` does."""
    backbone = make_backbone(family)
    return Backbone(backbone.model.to(torch.bfloat16), backbone.tokenizer, family)


@pytest.mark.parametrize("form", ["kv", "hidden"])
@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_close_and_gradients_float32(family, form):
    batch, found = make_batch(family), {}
    for dtype, backbone in (("float32", make_backbone(family)), ("bfloat16", make_bf16(family))):
        # Weights of 0.2 and prompts of 1 saturate a softmax; milder ones show rounding rather than chaos.
        prompt = open_gates(make_prompt(backbone, std=0.5, form=form, gate=True), 1.0)
        states = real(backbone(batch, prompt(3)).last_BTD.float(), batch)
        states.pow(3).mean().backward()
        found[dtype] = states.detach(), [p.grad for p in prompt.parameters()]

    states, gradients = found["bfloat16"]
    expected, wanted = found["float32"]
    assert (states - expected).abs().mean() < CLOSE
    for gradient, reference in zip(gradients, wanted, strict=True):
        assert gradient.dtype == torch.float32
        assert torch.cosine_similarity(gradient.flatten(), reference.flatten(), dim=0) > 0.95


@pytest.mark.parametrize("family", FAMILIES)
def test_the_backbone_computes_in_bfloat16(family):
    backbone, batch = make_bf16(family), make_batch(family)
    prompt = make_prompt(backbone)
    head = KINDS["cls"].head(HeadConfig(), backbone, 3)
    states = backbone(batch, prompt(3))
    assert {p.dtype for p in backbone.parameters()} == {states.last_BTD.dtype} == {torch.bfloat16}
    assert {p.dtype for p in (*prompt.parameters(), *head.parameters())} == {head(states).dtype} == {torch.float32}


@pytest.mark.parametrize("init", ["text:a good film", "vocab"])
@pytest.mark.parametrize("form", ["kv", "hidden"])
def test_a_prompt_that_starts_from_a_bfloat16_backbone_is_float32(init, form):
    prompt = make_prompt(make_bf16("bert"), init=init, form=form)
    assert {row.dtype for row in prompt.rows.rows} == {torch.float32}


def test_a_zero_gate_changes_no_bit_in_bfloat16():
    backbone, batch = make_bf16("bert"), make_batch("bert")
    with torch.no_grad():
        states = backbone(batch, make_prompt(backbone, gate=True)(3)).last_BTD
        assert torch.equal(states, backbone(batch).last_BTD)
