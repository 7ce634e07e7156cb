"""Gradient checkpointing changes no gradient: layers are recomputed with the prompts of their own forward pass.

Everything runs in train mode with the backbone's own dropout drawn from a seed, as in training.
"""

import pytest
import torch
from families import (
    DEPTH,
    FAMILIES,
    SIZES,
    make_backbone,
    make_batch,
    make_prompt,
    make_tokenizer,
    open_gates,
    real,
    stir,
)
from torch import Tensor
from transformers import AutoModel, CTRLConfig, MarkupLMConfig

from ptv2.backbone import Backbone
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt


def make_pair(family: str, checkpointing: bool, **config) -> tuple[Backbone, DeepPrompt]:
    backbone = make_backbone(family)
    if checkpointing:
        backbone.enable_gradient_checkpointing()
    backbone.train()
    return backbone, open_gates(make_prompt(backbone, **config), 0.5)


def gradients(family: str, checkpointing: bool, **config) -> list[Tensor]:
    """Of a loss over one batch, by the prompt's parameters."""
    (backbone, prompt), batch = make_pair(family, checkpointing, **config), make_batch(family)
    torch.manual_seed(7)
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
    assert all(parameter.grad is None for parameter in backbone.parameters())
    return [parameter.grad for parameter in prompt.parameters()]


VARIANTS = {
    "kv": {},
    "hidden": {"form": "hidden"},
    "projection": {"projection": 16},
    "gate": {"gate": True},
    "token-gate": {"token_gate": True},
    "top": {"layers": "top:2"},
    "lengths": {"layers": [0, 2], "length": [3, 7]},
    "union": {"form": ["kv", "memory", "slots", "values", "queries"]},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_same(family, variant):
    ours = gradients(family, checkpointing=True, **VARIANTS[variant])
    expected = gradients(family, checkpointing=False, **VARIANTS[variant])
    for gradient, wanted in zip(ours, expected, strict=True):
        assert wanted.abs().max() > 0
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_really_are_recomputed(family):
    """Each attention module is called twice with a prompt's gradient to carry, and once without checkpointing."""
    calls = {}
    for checkpointing in (False, True):
        (backbone, prompt), batch = make_pair(family, checkpointing), make_batch(family)
        seen = []
        with backbone.state.recording(seen.append):
            real(backbone(batch, prompt(3)).last_BTD, batch).sum().backward()
        calls[checkpointing] = len(seen)
    assert calls == {False: DEPTH[family], True: 2 * DEPTH[family]}


@pytest.mark.parametrize("family", FAMILIES)
def test_two_forward_passes_before_one_backward_pass(family):
    """Each recomputes with its own prompts, also of another length, though the second were in force last."""
    found = {}
    for checkpointing in (False, True):
        (backbone, first), batch = make_pair(family, checkpointing, length=5), make_batch(family)
        second = make_prompt(backbone, seed=2, length=3)
        torch.manual_seed(7)
        a, b = backbone(batch, first(3)).last_BTD, backbone(batch, second(3)).last_BTD
        (real(a, batch) * real(b, batch)).mean().backward()
        found[checkpointing] = [p.grad for p in (*first.parameters(), *second.parameters())]
    for gradient, wanted in zip(found[True], found[False], strict=True):
        assert wanted.abs().max() > 1e-5
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forward_pass_without_prompts_in_between(family):
    """As a validation between forward and backward would be: it leaves the recomputation alone."""
    found = {}
    for checkpointing in (False, True):
        (backbone, prompt), batch = make_pair(family, checkpointing), make_batch(family)
        torch.manual_seed(7)
        loss = real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean()
        with torch.no_grad():
            backbone.eval()(batch)
        backbone.train()
        loss.backward()
        found[checkpointing] = [p.grad for p in prompt.parameters()]
    for gradient, wanted in zip(found[True], found[False], strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["albert", "albert-groups"])
def test_albert_computes_nothing_twice_where_no_gradient_flows(family):
    """Its layers are checkpointed here, as transformers does not; scoring runs them once."""
    (backbone, prompt), batch = make_pair(family, checkpointing=True), make_batch(family)
    seen = []
    with backbone.state.recording(seen.append), torch.no_grad():
        backbone.eval()(batch, prompt(3))
    assert len(seen) == DEPTH[family]


@pytest.mark.parametrize("config", [CTRLConfig, MarkupLMConfig])
def test_families_that_transformers_does_not_recompute(config):
    """Their layers are found by the sites in them."""
    sizes = {"n_embd": 32, "n_layer": 3, "n_head": 4, "dff": 48, "hidden_dropout_prob": 0.1} | SIZES
    found, calls = [], []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        backbone = Backbone(stir(AutoModel.from_config(config(**sizes))), make_tokenizer("roberta"))
        assert not backbone.model.supports_gradient_checkpointing
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt, batch, seen = make_prompt(backbone.train()), make_batch("roberta"), []
        torch.manual_seed(7)
        with backbone.state.recording(seen.append):
            real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([row.grad for row in prompt.rows.rows])
        calls.append(len(seen))
    assert calls == [3, 6]
    for gradient, wanted in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)


def test_a_family_without_layers_is_refused():
    backbone = make_backbone("bert")
    backbone.model.supports_gradient_checkpointing = False
    for site in backbone.sites:
        del site.module.prompt_place
    with pytest.raises(UserError, match=r"gradient_checkpointing.*'bert'.*set it to false"):
        backbone.enable_gradient_checkpointing()
