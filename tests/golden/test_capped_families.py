"""Attention with soft caps, sinks, sliding windows and heads of several widths takes prompts as any other.

The reference is an attention function of this file, run on a model that ptv2 never touched: it builds its own masks and
scores one query head at a time, with the layer's given keys and values in front, which every query sees.
"""

from typing import Any

import pytest
import torch
from seq2seq_models import HEADS, SIZES, loaded_tokenizer, make_lm_batch, make_lm_prompt
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    Gemma4TextConfig,
    GptOssConfig,
    PreTrainedModel,
)

from ptv2.backbone import Backbone
from ptv2.methods.deep.prompt import DeepPrompt

DECODER = SIZES | {"pad_token_id": 0, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 4}
LOCAL, WHOLE = "sliding_attention", "full_attention"
GEMMA = DECODER | {"num_hidden_layers": 3, "layer_types": [LOCAL, LOCAL, WHOLE]}
GEMMA_4 = GEMMA | {"global_head_dim": 16, "vocab_size_per_layer_input": 280, "hidden_size_per_layer_input": 8}
FAMILIES: dict[str, tuple[type, dict[str, Any]]] = {
    "gemma2": (Gemma2Config, GEMMA | {"attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 5}),
    "gemma3": (Gemma3TextConfig, GEMMA | {"query_pre_attn_scalar": 5}),
    # The last layer has heads of twice the width, and one key and value head where the others have two.
    "gemma4": (Gemma4TextConfig, GEMMA_4 | {"num_global_key_value_heads": 1, "attention_k_eq_v": True}),
    # The last two layers use the keys and values of the two before them, each beside a prompt of its own.
    "gemma4, keys shared": (
        Gemma4TextConfig,
        GEMMA_4 | {"num_hidden_layers": 4, "layer_types": [LOCAL, WHOLE] * 2, "num_kv_shared_layers": 2},
    ),
    "gpt_oss": (GptOssConfig, GEMMA | {"num_local_experts": 2, "num_experts_per_tok": 1}),
}
families = pytest.mark.parametrize("family", FAMILIES)
kernels = pytest.mark.parametrize("kernel", ["sdpa", "eager"])
pytestmark = pytest.mark.filterwarnings("ignore:.*has no SDPA in transformers")
BATCHES = {"padded": {}, "padded on the left": {"left": True}, "without padding": {"lengths": (7, 7, 7)}}


class Textbook:
    """softmax of capped scores, one query head at a time, over the prompt, the keys that are seen, and a sink."""

    given: dict[nn.Module, tuple[Tensor, Tensor]]  # key_GPD, value_GPD
    mask_BS: Tensor

    def __call__(self, module, query, key, value, attention_mask, **_):
        assert attention_mask is None  # the mask function below hands out none
        key_GPD, value_GPD = self.given[module]
        (B, H, T, _), G, P = query.shape, key.shape[1], key_GPD.shape[1]
        hidden_BTS = self.hidden(module, T)
        cap, sinks = getattr(module, "attn_logit_softcapping", None), getattr(module, "sinks", None)
        heads = []
        for h in range(H):
            g = h * G // H
            keys = torch.cat([key_GPD[g].expand(B, -1, -1), key[:, g]], dim=1)
            values = torch.cat([value_GPD[g].expand(B, -1, -1), value[:, g]], dim=1)
            scores = query[:, h] @ keys.transpose(1, 2) * module.scaling
            scores = cap * torch.tanh(scores / cap) if cap else scores
            scores = torch.cat([scores[..., :P], scores[..., P:].masked_fill(hidden_BTS, -1e30)], dim=2)
            if sinks is not None:  # a key of no value
                scores = torch.cat([scores, sinks[h].expand(B, T, 1)], dim=2)
                values = torch.cat([values, torch.zeros_like(values[:, :1])], dim=1)
            heads.append(scores.softmax(dim=2) @ values)
        return torch.stack(heads, dim=2), None

    def hidden(self, module: nn.Module, tokens: int) -> Tensor:
        """Which keys a query must not see [B, T, S]."""
        t, s = torch.arange(tokens)[:, None], torch.arange(tokens)[None]
        window = module.sliding_window or tokens
        return (self.mask_BS == 0)[:, None] | (s > t) | (t - s >= window)


textbook = Textbook()
AttentionInterface.register("golden_capped", textbook)
AttentionMaskInterface.register("golden_capped", lambda *_, **__: None)


def make_model(family: str, **changes: Any) -> PreTrainedModel:
    config, values = FAMILIES[family]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config(**values | changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def make_backbone(family: str, kernel: str = "sdpa", **changes: Any) -> Backbone:
    return Backbone(make_model(family, **changes), loaded_tokenizer("llama"), family, kernel)


def heads_apart(states_PF: Tensor, heads: int) -> Tensor:
    """[P, heads * D] as [heads, P, D]."""
    return torch.stack(states_PF.chunk(heads, dim=1))


def by_hand(family: str, batch: dict[str, Tensor], prompt: DeepPrompt, rows: list[Tensor], **changes: Any) -> Tensor:
    """Logits of an untouched model with the prompt's rows [P, G * 2D] in its layers."""
    model = make_model(family, **changes)
    textbook.mask_BS, textbook.given = batch["attention_mask"], {}
    for layer, slot, row in zip(model.model.layers, prompt.slots, rows, strict=True):
        heads = slot.site.kv_heads
        key_PF, value_PF = row.chunk(2, dim=1)
        textbook.given[layer.self_attn] = heads_apart(key_PF, heads), heads_apart(value_PF, heads)
    model.set_attn_implementation("golden_capped")
    return model(**batch, use_cache=False).logits


def logits(backbone: Backbone, batch: dict[str, Tensor], prompt: DeepPrompt) -> Tensor:
    return backbone(batch, prompt(len(batch["input_ids"])), "logits").logits_BTV


def real(logits_BTV: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return logits_BTV[batch["attention_mask"] == 1]


@kernels
@families
@torch.no_grad()
def test_injector_equals_concatenation(family, kernel):
    backbone = make_backbone(family, kernel)
    prompt = make_lm_prompt(backbone)
    for name, how in BATCHES.items():
        batch = make_lm_batch("llama", **how)
        ours, bare = logits(backbone, batch, prompt), backbone(batch, reads="logits").logits_BTV
        expected = by_hand(family, batch, prompt, list(prompt.rows.rows))
        torch.testing.assert_close(
            real(ours, batch), real(expected, batch), atol=1e-4, rtol=0, msg=lambda m, n=name: f"{n}: {m}"
        )
        assert (real(ours, batch) - real(bare, batch)).abs().max() > 0.05  # the prompt is not for show


@kernels
@families
@torch.no_grad()
def test_an_untrained_gated_prompt_changes_no_bit(family, kernel):
    backbone, batch = make_backbone(family, kernel), make_lm_batch("llama")
    bare = backbone(batch, reads="logits").logits_BTV
    assert torch.equal(logits(backbone, batch, make_lm_prompt(backbone, gate=True)), bare)
    model = make_model(family).requires_grad_(False)
    model.set_attn_implementation("sdpa" if kernel == "sdpa" and model._supports_sdpa else "eager")
    assert torch.equal(bare, model(**batch, use_cache=False).logits)


@families
def test_gradients_equal_those_of_concatenation(family):
    backbone, batch = make_backbone(family), make_lm_batch("llama")
    prompt = make_lm_prompt(backbone)
    rows = [row.detach().clone().requires_grad_() for row in prompt.rows.rows]
    real(logits(backbone, batch, prompt), batch).log_softmax(-1)[..., 7].mean().backward()
    real(by_hand(family, batch, prompt, rows), batch).log_softmax(-1)[..., 7].mean().backward()
    for ours, expected in zip(prompt.rows.rows, rows, strict=True):
        assert expected.grad.abs().max() > 1e-5
        torch.testing.assert_close(ours.grad, expected.grad, atol=1e-5, rtol=1e-4)


@families
def test_gradient_checkpointing_changes_no_gradient(family):
    found = []
    for checkpointing in (False, True):
        backbone, batch = make_backbone(family), make_lm_batch("llama")
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt = make_lm_prompt(backbone.train())
        torch.manual_seed(7)
        real(logits(backbone, batch, prompt), batch).log_softmax(-1)[..., 7].mean().backward()
        found.append([row.grad for row in prompt.rows.rows])
    for gradient, wanted in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)


@families
def test_hidden_vectors_stand_where_a_layer_has_projections_and_get_a_gradient(family):
    backbone, batch = make_backbone(family), make_lm_batch("llama")
    prompt = make_lm_prompt(backbone, form="hidden")
    assert len(prompt.rows.rows) == (2 if family == "gemma4, keys shared" else 3)
    real(logits(backbone, batch, prompt), batch).log_softmax(-1)[..., 7].mean().backward()
    assert all(row.grad.abs().max() > 1e-3 for row in prompt.rows.rows)


@families
@torch.no_grad()
def test_generation_with_a_cache_reads_as_without(family):
    backbone, sources = make_backbone(family), make_lm_batch("llama", left=True)
    prompt = make_lm_prompt(backbone)
    settings = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    with_cache, without = (
        backbone.generate(dict(sources), prompt(3), settings | {"use_cache": cache}) for cache in (True, False)
    )
    assert torch.equal(with_cache, without)


def test_the_sites_have_the_widths_of_their_layers():
    sites = make_backbone("gemma4").sites
    assert [(site.kv_heads, site.key_dim) for site in sites] == [(2, 8), (2, 8), (1, 16)]
    assert [row.shape[1] for row in make_lm_prompt(make_backbone("gemma4")).rows.rows] == [32, 32, 32]
    assert [site.heads for site in sites] == [HEADS] * 3


@pytest.mark.parametrize(
    ("family", "change"), [("gemma2", {"attn_logit_softcapping": None}), ("gemma3", {"sliding_window": 64})]
)
@torch.no_grad()
def test_caps_and_windows_matter_here(family, change):
    batch, outputs = make_lm_batch("llama"), []
    for changes in ({}, change):
        backbone = make_backbone(family, **changes)
        outputs.append(logits(backbone, batch, make_lm_prompt(backbone)))
    assert (outputs[0][0, -1] - outputs[1][0, -1]).abs().max() > 0.01
