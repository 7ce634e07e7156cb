"""Language models: the injector gives what keys and values concatenated by hand give, in a textbook's attention.

The reference is an attention function of this file, run on a model that ptv2 never touched. It builds its own masks
from the batch and ignores those that transformers would hand it: padding is hidden, a decoder sees no later token and,
with a sliding window, none too far back; every query sees the whole prompt; and T5's position bias, which stands for a
distance between tokens, is zero on the prompt.
"""

from dataclasses import dataclass, field

import pytest
import torch
from seq2seq_models import (
    DECODERS,
    ENCODER_DECODERS,
    FAMILIES,
    HEADS,
    PLACES,
    make_lm,
    make_lm_backbone,
    make_lm_batch,
    make_lm_prompt,
)
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel

from ptv2.backbone import Backbone
from ptv2.methods.deep.prompt import DeepPrompt

KERNELS = ["sdpa", "eager"]
BATCHES = {"padded": {}, "padded on the left": {"left": True}, "without padding": {"lengths": (7, 7, 7)}}
CLOSE = {"atol": 1e-5, "rtol": 0}


@dataclass
class Textbook:
    """softmax(q k^T * scale + bias) v, head by head, with the module's given keys and values in front."""

    given: dict[nn.Module, tuple[str, Tensor, Tensor]] = field(default_factory=dict)  # place, key_GPD, value_GPD
    mask_BS: Tensor | None = None  # of the batch's input_ids

    def __call__(self, module, query, key, value, attention_mask, position_bias=None, **_):
        assert attention_mask is None  # the mask function below hands out none
        place, key_GPD, value_GPD = self.given[module]
        (B, H, T, D), G, P = query.shape, key.shape[1], key_GPD.shape[1]
        hidden_BTS = self.hidden(place, module, T, key.shape[2])
        scale = 1.0 if "T5" in type(module).__name__ else D**-0.5
        heads = []
        for h in range(H):
            g = h * G // H  # grouped queries: H / G neighbours share a key and a value head
            keys = torch.cat([key_GPD[g].expand(B, -1, -1), key[:, g]], dim=1)
            values = torch.cat([value_GPD[g].expand(B, -1, -1), value[:, g]], dim=1)
            scores = query[:, h] @ keys.transpose(1, 2) * scale
            if position_bias is not None:
                scores = torch.cat([scores[..., :P], scores[..., P:] + position_bias[:, h]], dim=2)
            scores = torch.cat([scores[..., :P], scores[..., P:].masked_fill(hidden_BTS, -1e30)], dim=2)
            heads.append(scores.softmax(dim=2) @ values)
        return torch.stack(heads, dim=2), None

    def hidden(self, place: str, module: nn.Module, queries: int, keys: int) -> Tensor:
        """Which keys a query must not see [B, T, S]."""
        t, s = torch.arange(queries)[:, None], torch.arange(keys)[None]
        decoder_only = not module.config.is_encoder_decoder
        padding_BS = self.mask_BS == 0 if place != "decoder" or decoder_only else torch.zeros(1, keys, dtype=torch.bool)
        hidden_BTS = padding_BS[:, None].expand(-1, queries, -1)
        if place == "decoder":
            hidden_BTS = hidden_BTS | (s > t)
            if getattr(module.config, "sliding_window", None):
                hidden_BTS = hidden_BTS | (t - s >= module.config.sliding_window)
        return hidden_BTS


textbook = Textbook()
AttentionInterface.register("golden_textbook_lm", textbook)
AttentionMaskInterface.register("golden_textbook_lm", lambda *_, **__: None)


def attention_modules(family: str, model: PreTrainedModel) -> dict[tuple[str, int], nn.Module]:
    """The attention modules of an untouched model by place and layer, found by name."""
    if family in ("t5", "mt5"):
        found = {("encoder", i): block.layer[0].SelfAttention for i, block in enumerate(model.encoder.block)}
        found |= {("decoder", i): block.layer[0].SelfAttention for i, block in enumerate(model.decoder.block)}
        return found | {("cross", i): block.layer[1].EncDecAttention for i, block in enumerate(model.decoder.block)}
    if family == "bart":
        found = {("encoder", i): layer.self_attn for i, layer in enumerate(model.model.encoder.layers)}
        found |= {("decoder", i): layer.self_attn for i, layer in enumerate(model.model.decoder.layers)}
        return found | {("cross", i): layer.encoder_attn for i, layer in enumerate(model.model.decoder.layers)}
    if family == "gpt2":
        return {("decoder", i): block.attn for i, block in enumerate(model.transformer.h)}
    return {("decoder", i): layer.self_attn for i, layer in enumerate(model.model.layers)}


def heads_apart(states_PF: Tensor, heads: int) -> Tensor:
    """[P, heads * D] as [heads, P, D], written out so that no test borrows it from ptv2."""
    D = states_PF.shape[1] // heads
    return torch.stack([states_PF[:, h * D : (h + 1) * D] for h in range(heads)])


def by_hand(family: str, batch: dict[str, Tensor], rows: dict[tuple[str, int], Tensor]) -> Tensor:
    """Logits of an untouched model, with a key and a value row [P, 2 * G * D] where `rows` has one."""
    model = make_lm(family)
    modules = attention_modules(family, model)
    groups = getattr(model.config, "num_key_value_heads", None) or HEADS
    head_dim = getattr(model.config, "head_dim", None) or 8
    textbook.mask_BS, textbook.given = batch["attention_mask"], {}
    for at, module in modules.items():
        row = rows.get(at, torch.zeros(0, 2 * groups * head_dim))
        key_PF, value_PF = row.split(groups * head_dim, dim=1)
        textbook.given[module] = at[0], heads_apart(key_PF, groups), heads_apart(value_PF, groups)
    model.set_attn_implementation("golden_textbook_lm")
    return model(**batch, use_cache=False).logits


def rows_of(prompt: DeepPrompt) -> dict[tuple[str, int], Tensor]:
    return {(s.site.place, s.site.layer): row for s, row in zip(prompt.slots, prompt.rows.rows, strict=True)}


def logits(backbone: Backbone, batch: dict[str, Tensor], prompt: DeepPrompt) -> Tensor:
    return backbone(batch, prompt(len(batch["input_ids"])), "logits").logits_BTV


def read(logits_BTV: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """The logits that a loss would read: at real tokens of the target, or of the input."""
    return logits_BTV[batch["labels"] != -100 if "labels" in batch else batch["attention_mask"] == 1]


def lengths_of(family: str) -> dict[str, object]:
    """Every way to spread prompts over the places: all of them, and each alone."""
    alone = {place: dict.fromkeys(PLACES, 0) | {place: length} for place, length in PLACES.items()}
    return {"all": PLACES} | alone if family in ENCODER_DECODERS else {"all": 5}


CASES = [(family, name, length) for family in FAMILIES for name, length in lengths_of(family).items()]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("family", "name", "length"), CASES, ids=[f"{family}-{name}" for family, name, _ in CASES])
@torch.no_grad()
def test_injector_equals_concatenation(family, name, length, kernel):
    backbone = make_lm_backbone(family, kernel)
    prompt = make_lm_prompt(backbone, length=length)
    assert {place: row.shape[0] for (place, _), row in rows_of(prompt).items()} == (
        {place: n for place, n in length.items() if n} if isinstance(length, dict) else {"decoder": 5}
    )
    for kind, how in BATCHES.items():
        batch = make_lm_batch(family, **how)
        ours, bare = logits(backbone, batch, prompt), backbone(batch, reads="logits").logits_BTV
        expected = by_hand(family, batch, rows_of(prompt))
        torch.testing.assert_close(read(ours, batch), read(expected, batch), **CLOSE, msg=lambda m, k=kind: f"{k}: {m}")
        assert (read(ours, batch) - read(bare, batch)).abs().max() > 0.1  # the prompt is not for show


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_without_prompts_the_reference_is_the_model(family, kernel):
    """The textbook itself is right, and a layer without a prompt stays as it was."""
    backbone, batch = make_lm_backbone(family, kernel), make_lm_batch(family)
    bare = make_lm(family)(**batch).logits
    torch.testing.assert_close(read(by_hand(family, batch, {}), batch), read(bare, batch), **CLOSE)
    top = make_lm_prompt(backbone, layers="top:1")
    assert {layer for _, layer in rows_of(top)} == {1}
    expected = by_hand(family, batch, rows_of(top))
    torch.testing.assert_close(read(logits(backbone, batch, top), batch), read(expected, batch), **CLOSE)
    untouched = make_lm_backbone(family, kernel).model(**batch, use_cache=False).logits
    assert torch.equal(backbone(batch, reads="logits").logits_BTV, untouched)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_those_of_concatenation(family, kernel):
    batch = make_lm_batch(family)
    backbone = make_lm_backbone(family, kernel)
    prompt = make_lm_prompt(backbone)
    rows = {at: row.detach().clone().requires_grad_() for at, row in rows_of(prompt).items()}

    read(logits(backbone, batch, prompt), batch).log_softmax(-1)[..., 7].mean().backward()
    read(by_hand(family, batch, rows), batch).log_softmax(-1)[..., 7].mean().backward()

    for at, row in rows_of(prompt).items():
        assert rows[at].grad.abs().max() > 1e-4
        torch.testing.assert_close(row.grad, rows[at].grad, **CLOSE)
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize("family", DECODERS)
@torch.no_grad()
def test_the_causal_mask_is_kept(family):
    """A later token changes nothing before it, with and without padding in the batch."""
    backbone = make_lm_backbone(family)
    prompt = make_lm_prompt(backbone)
    for lengths in ((9, 6, 3), (9, 9, 9)):
        batch = make_lm_batch(family, lengths)
        changed = batch | {"input_ids": batch["input_ids"].clone()}
        changed["input_ids"][:, 2] += 1
        ours, other = logits(backbone, batch, prompt), logits(backbone, changed, prompt)
        torch.testing.assert_close(ours[:, :2], other[:, :2], **CLOSE)
        assert (ours[:, 2] - other[:, 2]).abs().max() > 0.1


@torch.no_grad()
def test_the_sliding_window_matters_here():
    batch = make_lm_batch("mistral")
    outputs = []
    for window in (4, None):
        backbone = make_lm_backbone("mistral", sliding_window=window)
        outputs.append(logits(backbone, batch, make_lm_prompt(backbone)))
    assert (outputs[0][0, -1] - outputs[1][0, -1]).abs().max() > 0.1


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_closed_gate_leaves_the_model_as_it_was(family, kernel):
    backbone, batch = make_lm_backbone(family, kernel), make_lm_batch(family)
    gated = logits(backbone, batch, make_lm_prompt(backbone, gate=True))
    assert torch.equal(gated, backbone(batch, reads="logits").logits_BTV)
