"""A gate at zero leaves the frozen backbone exactly as it was, and still learns."""

import pytest
import torch
from families import DEPTH, FAMILIES, HEADS, make_backbone, make_batch, make_model, make_prompt, open_gates, real
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.methods.deep.prompt import DeepPrompt

KERNELS = pytest.mark.parametrize("kernel", ["sdpa", "eager"])


@KERNELS
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_an_untrained_gated_prompt_changes_no_bit(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_batch(family)
    prompt = make_prompt(backbone, gate=True)
    bare = make_model(family)
    bare.set_attn_implementation(kernel)

    states = backbone(batch, prompt(3)).last_BTD
    assert torch.equal(states, backbone(batch).last_BTD)
    assert torch.equal(states, bare(**batch).last_hidden_state)


@KERNELS
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gate_gets_a_gradient_at_zero(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_batch(family)
    prompt = make_prompt(backbone, gate=True)
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
    assert [gate.shape for gate in prompt.gates] == [(HEADS,)] * DEPTH[family]
    for gate in prompt.gates:
        assert gate.grad.abs().min() > 0  # every head of every layer


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_gate_of_one_is_the_prompt_without_a_gate(family):
    backbone, batch = make_backbone(family), make_batch(family)
    gated, plain = open_gates(make_prompt(backbone, gate=True), 1.0), make_prompt(backbone)
    states, expected = backbone(batch, gated(3)).last_BTD, backbone(batch, plain(3)).last_BTD
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


def attended(backbone: Backbone, prompt: DeepPrompt) -> Tensor:
    """What each head of BERT's first layer gives, [B, T, H, D]."""
    heard = []
    hook = backbone.sites[0].module.register_forward_hook(lambda _m, _i, out: heard.append(out[0]))
    backbone(make_batch("bert"), prompt(3))
    hook.remove()
    return heard[0].unflatten(-1, (HEADS, -1))


@torch.no_grad()
def test_a_gate_is_a_factor_on_the_prompts_mass():
    """The joint softmax is (1 - m) * plain + m * prompt; a gate g makes it (1 - g m) * plain + g m * prompt."""
    backbone = make_backbone("bert")
    prompt = make_prompt(backbone, gate=True, layers=[0])
    closed, half, open_ = (attended(backbone, open_gates(prompt, gate)) for gate in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (closed + open_) / 2, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_gate_opens_its_own_head():
    """The heads whose gate stays at zero give what they gave without a prompt."""
    backbone = make_backbone("bert")
    prompt = make_prompt(backbone, gate=True, layers=[0])
    bare_BTHD = attended(backbone, prompt)
    prompt.gates[0][2] = 0.5
    changed = (attended(backbone, prompt) - bare_BTHD).abs().amax(dim=(0, 1, 3)) > 0
    assert changed.tolist() == [False, False, True, False]


@torch.no_grad()
def test_zero_keys_and_values_are_no_substitute():
    """They take mass of the softmax: without the gate, a zero prompt changes the states."""
    backbone, batch = make_backbone("bert"), make_batch("bert")
    states = backbone(batch, make_prompt(backbone, init="zero")(3)).last_BTD
    assert (real(states, batch) - real(backbone(batch).last_BTD, batch)).abs().max() > 0.1
