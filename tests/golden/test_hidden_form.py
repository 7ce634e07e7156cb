"""Hidden form: one vector per layer and position, sent through the layer's own frozen K and V projections.

It equals the K/V form of the projected vectors, for ModernBERT with the rotary table of positions 0 .. P - 1.
"""

import pytest
import torch
import torch.nn.functional as F
from families import (
    DEPTH,
    FAMILIES,
    HEAD_DIM,
    WIDTH,
    fill_rows,
    make_backbone,
    make_batch,
    make_model,
    make_prompt,
    real,
    split_heads,
)
from torch import Tensor, nn

from ptv2.backbone import Injection, SitePrompt

P = 5


def attention_modules(family: str) -> list[nn.Module]:
    """The attention module of each depth of an untouched model, found by name."""
    model = make_model(family)
    if family == "distilbert":
        return [layer.attention for layer in model.transformer.layer]
    if family == "modernbert":
        return [layer.attn for layer in model.layers]
    if family == "albert":
        return [model.encoder.albert_layer_groups[0].albert_layers[0].attention] * 3
    if family == "albert-groups":
        first, second = [[layer.attention for layer in g.albert_layers] for g in model.encoder.albert_layer_groups]
        return [*first, *first, *second, *second]
    return [layer.attention.self for layer in model.encoder.layer]


def rotate(states_1HPD: Tensor, theta: float) -> Tensor:
    """Rotary positions 0 .. P - 1 (Su et al. 2021), the two halves of a head as real and imaginary part."""
    half = HEAD_DIM // 2
    angle_PF = torch.arange(P)[:, None] * theta ** -(torch.arange(half) / half)
    turned = torch.complex(states_1HPD[..., :half], states_1HPD[..., half:]) * torch.polar(
        torch.ones(P, half), angle_PF
    )
    return torch.cat([turned.real, turned.imag], dim=-1)


def keys_values(family: str, module: nn.Module, hidden_PD: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer's projections make of hidden vectors, by hand."""
    if family == "modernbert":
        key_PD, value_PD = F.linear(hidden_PD, module.Wqkv.weight).split(WIDTH, dim=1)[1:]
        theta = module.config.rope_parameters[module.config.layer_types[module.layer_idx]]["rope_theta"]
        return rotate(split_heads(key_PD), theta), split_heads(value_PD)
    names = {"distilbert": ("k_lin", "v_lin"), "deberta-v2": ("key_proj", "value_proj")}.get(family, ("key", "value"))
    key, value = (getattr(module, name) for name in names)
    return split_heads(key(hidden_PD)), split_heads(value(hidden_PD))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_keys_and_values_are_the_layers_projections_by_hand(family):
    prompt = make_prompt(make_backbone(family), length=P, form="hidden")
    modules = attention_modules(family)
    assert [row.shape for row in prompt.rows.rows] == [(P, WIDTH)] * DEPTH[family]

    for ours, module, row_PD in zip(prompt(1).sites, modules, prompt.rows.rows, strict=True):
        key, value = keys_values(family, module, row_PD)
        torch.testing.assert_close(ours.key_BGPD, key, atol=1e-5, rtol=0)
        torch.testing.assert_close(ours.value_BGPE, value, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_hidden_form_equals_kv_form_of_its_projected_vectors(family):
    backbone, batch = make_backbone(family), make_batch(family)
    hidden = make_prompt(backbone, length=P, form="hidden")
    projected = [
        torch.cat([p.key_BGPD[0].transpose(0, 1).flatten(1), p.value_BGPE[0].transpose(0, 1).flatten(1)], dim=1)
        for p in hidden(1).sites
    ]
    kv = fill_rows(make_prompt(backbone, length=P), projected)

    states, expected = backbone(batch, hidden(3)).last_BTD, backbone(batch, kv(3)).last_BTD
    assert torch.equal(states, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_reach_the_hidden_rows_alone(family):
    """They equal the K/V form's gradient carried through the projections, and the backbone gets none."""
    backbone, batch = make_backbone(family), make_batch(family)
    prompt = make_prompt(backbone, length=P, form="hidden")
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(2).mean().backward()

    rows = [row.detach().clone().requires_grad_() for row in prompt.rows.rows]
    by_hand = [keys_values(family, m, row) for m, row in zip(attention_modules(family), rows, strict=True)]
    real(backbone(batch, Injection([SitePrompt(*kv) for kv in by_hand])).last_BTD, batch).pow(2).mean().backward()

    for row, expected in zip(prompt.rows.rows, rows, strict=True):
        assert expected.grad.abs().max() > 1e-5
        torch.testing.assert_close(row.grad, expected.grad, atol=1e-5, rtol=0)
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_the_hidden_form_has_half_the_numbers():
    backbone = make_backbone("bert")
    sizes = {form: sum(p.numel() for p in make_prompt(backbone, form=form).parameters()) for form in ("kv", "hidden")}
    assert sizes["kv"] == 2 * sizes["hidden"] == 2 * 5 * DEPTH["bert"] * WIDTH


@pytest.mark.parametrize("family", FAMILIES)
def test_scoring_before_training_does_no_harm(family):
    """A prompt whose first use was under inference_mode (a validation, `ptv2.evaluate`) can still be trained."""
    backbone, batch = make_backbone(family), make_batch(family)
    prompt = make_prompt(backbone, length=P, form="hidden")
    with torch.inference_mode():
        backbone(batch, prompt(3))
    backbone(batch, prompt(3)).last_BTD.sum().backward()
    assert all(row.grad is not None for row in prompt.rows.rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_looking_for_the_projections_leaves_train_mode_on(family):
    """The first forward pass of the hidden form runs the bare backbone once, in eval mode."""
    backbone = make_backbone(family).train()
    make_prompt(backbone, form="hidden").train()(2)
    assert all(module.training for module in backbone.modules())
