"""An adapter is h + up(gelu(down(h))) behind frozen layers, by the definition, and starts as the bare backbone."""

import pytest
import torch
import torch.nn.functional as F
from families import FAMILIES, make_backbone, make_batch, make_model, real
from seq2seq_models import FAMILIES as LM_FAMILIES
from seq2seq_models import make_lm_backbone, make_lm_batch

from ptv2.backbone import Backbone
from ptv2.config.schema import AdapterConfig, Config
from ptv2.errors import UserError
from ptv2.methods.adapter import Adapter


def make(backbone: Backbone, stirred: bool = True, **adapter) -> Adapter:
    torch.manual_seed(1)
    method = Adapter(Config(method="adapter", adapter=AdapterConfig(**adapter)), backbone).eval()
    if stirred:
        with torch.no_grad():
            for parameter in method.trained():
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return method


@pytest.mark.parametrize("behind", ["feed_forward", "both"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_start_is_the_bare_backbone_to_the_bit(family, behind):
    backbone, batch = make_backbone(family), make_batch(family)
    method = make(backbone, stirred=False, behind=behind)
    with torch.no_grad():
        assert torch.equal(backbone(batch, method(3)).last_BTD, make_model(family)(**batch).last_hidden_state)
    real(backbone(batch, method(3)).last_BTD, batch).pow(3).mean().backward()
    assert all(p.grad is not None for p in method.trained()) and all(p.grad is None for p in backbone.parameters())


@pytest.mark.parametrize("behind", ["feed_forward", "both"])
def test_it_is_its_definition(behind):
    """BERT with the adapters written into its modules by hand."""
    backbone, batch, bare = make_backbone("bert"), make_batch("bert"), make_model("bert")
    method = make(backbone, behind=behind, width=5)
    state = method.state_dict()
    assert all(tuple(state[f"layers.encoder.layer.{i}.output.dense.down.weight"].shape) == (5, 32) for i in range(3))
    assert len(state) == 3 * 4 * (2 if behind == "both" else 1)

    def adapted(layer, name):
        down, up = ([state[f"layers.{name}.{part}.{kind}"] for kind in ("weight", "bias")] for part in ("down", "up"))

        def forward(states):
            h = F.linear(states, layer.weight, layer.bias)
            return h + F.linear(F.gelu(F.linear(h, *down)), *up)

        return forward

    for i, layer in enumerate(bare.encoder.layer):
        layer.output.dense.forward = adapted(layer.output.dense, f"encoder.layer.{i}.output.dense")
        if behind == "both":
            name = f"encoder.layer.{i}.attention.output.dense"
            layer.attention.output.dense.forward = adapted(layer.attention.output.dense, name)
    with torch.no_grad():
        states, expected = backbone(batch, method(3)).last_BTD, bare(**batch).last_hidden_state
    torch.testing.assert_close(states, expected, atol=1e-6, rtol=0)
    assert not torch.allclose(states, make_model("bert")(**batch).last_hidden_state, atol=1e-2)


@pytest.mark.parametrize("family", LM_FAMILIES)
def test_language_models_take_them_too(family):
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    method = make(backbone, stirred=False, behind="both")
    with torch.no_grad():
        logits = backbone(batch, method(3), "logits").logits_BTV
        assert torch.equal(logits, make_lm_backbone(family)(batch, None, "logits").logits_BTV)
        for parameter in method.trained():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        assert not torch.allclose(backbone(batch, method(3), "logits").logits_BTV, logits, atol=1e-3)


@pytest.mark.parametrize("family", ["bert", "albert-groups", "modernbert"])
def test_gradient_checkpointing_changes_no_gradient(family):
    found = []
    for checkpointing in (False, True):
        backbone, batch = make_backbone(family), make_batch(family)
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        method = make(backbone, behind="both")
        backbone.train()
        torch.manual_seed(7)
        real(backbone(batch, method(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in method.trained()])
    for gradient, wanted in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


def test_a_bfloat16_backbone_has_float32_adapters():
    backbone, batch = make_backbone("bert"), make_batch("bert")
    backbone.model.to(torch.bfloat16)
    method = make(backbone)
    states = backbone(batch, method(3)).last_BTD
    real(states, batch).float().pow(2).mean().backward()
    assert states.dtype == torch.bfloat16
    assert {p.dtype for p in method.trained()} == {p.grad.dtype for p in method.trained()} == {torch.float32}


def test_a_family_whose_layers_are_not_known_is_refused(monkeypatch):
    monkeypatch.setattr("ptv2.backbone.linear_layers.feed_forward_of", lambda model, site: None)
    with pytest.raises(UserError, match=r"^method: the last linear layer of the feed-forward layer is not known for"):
        make(make_backbone("bert"))
