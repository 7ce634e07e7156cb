"""torch.compile of the backbone, as `backbone.compile` does it, changes no result and does not compile every step.

What could go wrong with prompts lies in the captured graph and its guards, so these tests leave out code generation.
"""

import pytest
import torch
from families import make_backbone, make_batch, make_prompt, open_gates, real
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.methods import METHODS


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def make_pair(family: str, backend: object) -> tuple[Backbone, Backbone]:
    """The same backbone twice, the second one compiled."""
    plain, compiled = make_backbone(family, num_hidden_layers=2), make_backbone(family, num_hidden_layers=2)
    compiled.model.compile(dynamic=True, backend=backend)
    return plain, compiled


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@torch.no_grad()
def test_one_graph_serves_every_batch_and_every_prompt(family):
    counter = CompileCounter()
    plain, compiled = make_pair(family, counter)
    for step, lengths in enumerate([(9, 6, 3), (12, 8), (7, 7, 7, 7)]):
        batch = make_batch(family, lengths)
        prompt = make_prompt(plain, seed=step)  # the numbers change from step to step, as in training
        expected = plain(batch, prompt(len(lengths))).last_BTD
        states = compiled(batch, prompt(len(lengths))).last_BTD
        torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)
    assert counter.frame_count == 1


@pytest.mark.parametrize("method", ["lora", "ia3", "adapter"])
@torch.no_grad()
def test_one_graph_serves_what_layers_compute_besides(method):
    counter = CompileCounter()
    plain, compiled = make_pair("bert", counter)
    first, second = (METHODS[method](Config(method=method), backbone).eval() for backbone in (plain, compiled))
    for ours, theirs in zip(first.trained(), second.trained(), strict=True):
        theirs.copy_(ours.add_(torch.randn_like(ours) * 0.3))
    for lengths in [(9, 6, 3), (12, 8)]:
        batch = make_batch("bert", lengths)
        states, expected = compiled(batch, second(2)).last_BTD, plain(batch, first(2)).last_BTD
        torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)
    assert counter.frame_count == 1


@pytest.mark.parametrize("config", [{"form": "hidden"}, {"init": "text:a good film"}], ids=["hidden", "text"])
@torch.no_grad()
def test_observing_the_bare_backbone_compiles_nothing(config):
    counter = CompileCounter()
    plain, compiled = make_pair("bert", counter)
    ours, expected = (make_prompt(backbone, **config)(1).sites for backbone in (compiled, plain))
    assert counter.frame_count == 0
    for prompt, wanted in zip(ours, expected, strict=True):
        assert torch.equal(prompt.key_BGPD, wanted.key_BGPD)


def gradients(backbone: Backbone, family: str, **config) -> list[Tensor]:
    prompt, batch = open_gates(make_prompt(backbone, **config), 0.5), make_batch(family)
    backbone.train()
    for module in backbone.modules():  # two graphs draw other random numbers than one
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
    return [parameter.grad for parameter in prompt.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize("config", [{}, {"gate": True}, {"form": "hidden"}], ids=["kv", "gate", "hidden"])
def test_gradients_are_the_same(family, config):
    plain, compiled = make_pair(family, "aot_eager")
    ours, expected = gradients(compiled, family, **config), gradients(plain, family, **config)
    for gradient, wanted in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_compiled_layers_can_be_recomputed():
    plain, compiled = make_pair("bert", "aot_eager")
    compiled.enable_gradient_checkpointing(compiled=True)
    for gradient, wanted in zip(gradients(compiled, "bert"), gradients(plain, "bert"), strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=0)
