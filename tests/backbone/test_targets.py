"""Likelihoods by chunks of positions are those of all logits at once, to 1e-6, and hold fewer numbers."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from seq2seq_models import FAMILIES, GROUPED, SIZES, loaded_tokenizer, make_lm_backbone, make_lm_batch, make_lm_prompt
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    CTRLConfig,
    Gemma2Config,
    GPTNeoXConfig,
    GraniteConfig,
    OPTConfig,
    PhiConfig,
)

from ptv2.backbone import Backbone, Injection, targets
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods import METHODS

GEMMA = GROUPED | {"head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
OTHERS: dict[str, tuple[type, dict[str, Any]]] = {
    "gemma2, soft caps": (Gemma2Config, GEMMA | {"final_logit_softcapping": 0.5, "query_pre_attn_scalar": 5}),
    "cohere, logits scaled": (CohereConfig, GROUPED | {"logit_scale": 0.3}),
    "granite, logits divided": (GraniteConfig, GROUPED | {"logits_scaling": 3.0}),
    "phi, a head with a bias": (PhiConfig, SIZES),
    "opt, a projection before the head": (OPTConfig, SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 16}),
    "gpt_neox": (GPTNeoXConfig, SIZES),
    "ctrl": (CTRLConfig, SIZES | {"n_embd": 32, "n_layer": 2, "n_head": 4, "dff": 48, "n_positions": 96}),
}
pytestmark = pytest.mark.filterwarnings("ignore:.*has no SDPA in transformers")


def make(family: str) -> Backbone:
    if family in FAMILIES:
        return make_lm_backbone(family)
    kind, values = OTHERS[family]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(kind(**values)).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    return Backbone(model, loaded_tokenizer("llama"), family, "eager" if "ctrl" in family else "sdpa")


def make_batch(backbone: Backbone) -> dict[str, Tensor]:
    """Rows of which some tokens are targets; a decoder-only model's first two of each are not."""
    if backbone.is_encoder_decoder:
        return make_lm_batch("t5")
    batch = make_lm_batch("llama")
    labels_BT = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, targets.NO_TARGET)
    labels_BT[:, :2] = targets.NO_TARGET
    return batch | {"labels": labels_BT}


def by_hand(backbone: Backbone, batch: dict[str, Tensor], prompts: Injection) -> Tensor:
    """All logits at once."""
    logits_BTV, labels_BT = backbone(batch, prompts, "logits").logits_BTV, batch["labels"]
    if not backbone.is_encoder_decoder:
        logits_BTV, labels_BT = logits_BTV[:, :-1], labels_BT[:, 1:]
    return F.cross_entropy(logits_BTV.float().transpose(1, 2), labels_BT, reduction="none")


def with_gradients(nll_BT: Tensor, trained: list[nn.Parameter]) -> tuple[Tensor, list[Tensor]]:
    """A loss in which each token has a weight of its own, and its gradients."""
    own = nll_BT[nll_BT != 0]
    return nll_BT, list(torch.autograd.grad((own * torch.linspace(0.1, 1, len(own))).mean(), trained))


def assert_equal(found: list[Tensor], wanted: list[Tensor]) -> None:
    """To 1e-6 of the largest."""
    for gradient, own in zip(found, wanted, strict=True):
        assert own.abs().max() > 0
        torch.testing.assert_close(gradient, own, atol=1e-6 * max(1.0, own.abs().max().item()), rtol=1e-5)


@pytest.fixture(params=[1, 3, 1000], ids=lambda size: f"chunks of {size}")
def chunks(request, monkeypatch):
    monkeypatch.setattr(targets, "CHUNK", request.param * 280)


@pytest.mark.parametrize("family", [*FAMILIES, *OTHERS])
def test_the_same_likelihoods_and_gradients(family, chunks):
    backbone = make(family)
    prompt, batch = make_lm_prompt(backbone), make_batch(backbone)
    trained = list(prompt.trained())
    expected_BT, wanted = with_gradients(by_hand(backbone, batch, prompt(3)), trained)
    nll_BT, found = with_gradients(backbone(batch, prompt(3), "targets").nll_BT, trained)
    assert backbone.targets.words == 280
    assert nll_BT.shape == batch["labels"].shape
    torch.testing.assert_close(nll_BT[:, -expected_BT.shape[1] :], expected_BT, atol=1e-6, rtol=1e-6)
    assert_equal(found, wanted)


@pytest.mark.parametrize("family", ["llama", "t5", "gemma2, soft caps"])
def test_a_head_that_is_trained_gets_its_gradient(family, chunks):
    """Weights of head and layers alike, tied to the embeddings or not."""
    backbone = make(family)
    backbone.model.requires_grad_(True)
    batch, trained = make_batch(backbone), list(backbone.model.parameters())
    _, wanted = with_gradients(by_hand(backbone, batch, Injection()), trained)
    _, found = with_gradients(backbone(batch, reads="targets").nll_BT, trained)
    assert_equal(found, wanted)


def test_a_prompt_at_the_input_stands_before_the_targets(chunks):
    backbone = make("llama")
    method = METHODS["prompt"](Config(method="prompt", prompt=PromptConfig(length=4)), backbone).eval()
    batch, trained = make_batch(backbone), list(method.trained())
    expected_BT, wanted = with_gradients(by_hand(backbone, batch, method(3)), trained)
    nll_BT, found = with_gradients(backbone(batch, method(3), "targets").nll_BT, trained)
    torch.testing.assert_close(nll_BT[:, 1:], expected_BT, atol=1e-6, rtol=1e-6)
    assert_equal(found, wanted)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_layers_that_are_recomputed_leave_it_alone(family, chunks):
    backbone = make(family)
    prompt, batch = make_lm_prompt(backbone), make_batch(backbone)
    backbone.train()
    torch.manual_seed(7)  # T5 drops out states
    _, wanted = with_gradients(backbone(batch, prompt(3), "targets").nll_BT, list(prompt.trained()))
    backbone.enable_gradient_checkpointing()
    torch.manual_seed(7)
    _, found = with_gradients(backbone(batch, prompt(3), "targets").nll_BT, list(prompt.trained()))
    assert_equal(found, wanted)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_no_position_without_a_target_has_logits(family, chunks):
    """The head computes those of targets alone, a chunk at a time; without gradients, too."""
    backbone = make(family)
    batch, rows = make_batch(backbone), []
    assert backbone.targets.words
    head = backbone.model.get_output_embeddings()
    head.register_forward_hook(lambda module, args, out: rows.append(out.numel() // 280))
    prompt = make_lm_prompt(backbone)
    backbone(batch, prompt(3), "targets")
    wanted = int((batch["labels"] != targets.NO_TARGET).sum())
    assert sum(rows) == wanted
    assert max(rows) == min(wanted, targets.CHUNK // 280)
    rows.clear()
    with torch.no_grad():
        backbone(batch, prompt(3), "targets")
    assert sum(rows) == wanted


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_rows_without_any_target(family, chunks):
    """As on a rank without a term: nothing is to be computed, and gradients are zero."""
    backbone = make(family)
    prompt, batch = make_lm_prompt(backbone), make_batch(backbone)
    batch["labels"] = torch.full_like(batch["labels"], targets.NO_TARGET)
    nll_BT = backbone(batch, prompt(3), "targets").nll_BT
    nll_BT.sum().backward()
    assert not nll_BT.any()
    assert all(not parameter.grad.any() for parameter in prompt.trained())


def test_generation_is_undisturbed():
    backbone = make("t5")
    prompt, batch = make_lm_prompt(backbone), make_batch(backbone)
    inputs, settings = {key: batch[key] for key in ("input_ids", "attention_mask")}, {"max_new_tokens": 6}
    before = backbone.generate(inputs, prompt(3), settings)
    backbone(batch, prompt(3), "targets")
    assert backbone.generate(inputs, prompt(3), settings).equal(before)


def test_a_family_that_cannot_be_called_like_this_has_all_logits(monkeypatch):
    backbone = make("llama")
    stack, prompt, batch = backbone.model.base_model, make_lm_prompt(backbone), make_batch(backbone)
    plain = stack.forward
    monkeypatch.setattr(targets.Targets, "_logits", lambda self, states_ND: states_ND.repeat(1, 280 // 32))
    nll_BT = backbone(batch, prompt(3), "targets").nll_BT
    assert not backbone.targets.words
    assert stack.forward == plain
    torch.testing.assert_close(nll_BT[:, 1:], by_hand(backbone, batch, prompt(3)), atol=1e-6, rtol=0)


def test_prompts_are_those_of_the_pass(chunks):
    """Another prompt gives other likelihoods: what a chunk computes is not done without them."""
    backbone = make("llama")
    batch = make_batch(backbone)
    first, second = (make_lm_prompt(backbone, seed=seed) for seed in (1, 2))
    found = [backbone(batch, prompt(3), "targets").nll_BT for prompt in (first, second)]
    assert not torch.allclose(*found)
