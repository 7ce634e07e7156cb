"""Entering a backbone in the middle changes nothing: neither what the heads read nor the gradients of the prompts."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_prompt, open_gates, real
from seq2seq_models import DECODERS, make_lm_backbone

from ptv2.backbone import KNOWN
from ptv2.errors import UserError

WITHOUT = {name: 0.0 for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")}
NO_DROPOUT = {
    "distilbert": {"dropout": 0.0, "attention_dropout": 0.0},
    "gpt2": {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0},
    "modernbert": {},
    "llama": {},
    "qwen3": {},
    "mistral": {},
}
FORMS = {
    "kv": {},
    "offset": {"position_offset": True},
    "gates": {"gate": True, "token_gate": True},
    "hidden": {"form": "hidden"},
    "others": {"form": ["memory", "slots", "values", "queries"]},
}


def quiet(family, **more):
    """A backbone that draws nothing in training."""
    settings = NO_DROPOUT.get(family, WITHOUT) | more
    return make_lm_backbone(family, **settings) if family in DECODERS else make_backbone(family, **settings)


def entered(backbone, prompt, batch):
    """The batch with the states that enter below the lowest prompt; zeros at padding, as they come from disk."""
    backbone.enter_at(prompt.slots[0].index)
    states_BTD = backbone.entering(batch, prompted=True)
    return batch | {KNOWN: states_BTD.masked_fill(batch["attention_mask"][..., None] == 0, 0)}


def read(backbone, prompt, batch):
    """What heads read at real tokens, and the gradients of the prompt."""
    prompt.zero_grad()
    last = real(backbone(batch, prompt(3)).last_BTD, batch)
    last.pow(3).mean().backward()
    return last.detach(), [parameter.grad.clone() for parameter in prompt.parameters()]


def check_same(backbone, prompt, batch):
    plain, known = read(backbone, prompt, batch), read(backbone, prompt, entered(backbone, prompt, batch))
    assert torch.equal(plain[0], known[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[1], known[1], strict=True)) and any(map(torch.any, known[1]))


@pytest.mark.parametrize("family", [*FAMILIES, *DECODERS])
def test_known_states_give_the_same_to_the_bit(family):
    backbone = quiet(family).train()
    batch = make_batch("bert" if family in DECODERS else family)
    if family in DECODERS:
        batch.pop("token_type_ids")
    check_same(backbone, make_prompt(backbone, layers="top:1"), batch)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_prompt_reads_known_states(form):
    backbone = quiet("bert").train()
    prompt = open_gates(make_prompt(backbone, layers="top:2", **FORMS[form]), 0.5)
    check_same(backbone, prompt, make_batch("bert"))


@pytest.mark.parametrize("family", ["bert", "albert-groups", "llama"])
def test_layers_that_are_recomputed_read_known_states(family):
    backbone = quiet(family).train()
    backbone.enable_gradient_checkpointing()
    batch = make_batch("bert" if family in DECODERS else family)
    if family in DECODERS:
        batch.pop("token_type_ids")
    check_same(backbone, make_prompt(backbone, layers="top:1"), batch)


def test_layers_below_are_skipped():
    backbone, batch = quiet("bert"), make_batch("bert")
    prompt = make_prompt(backbone, layers="top:1")
    batch, ran = entered(backbone, prompt, batch), []
    for index, layer in enumerate(backbone.model.encoder.layer):
        layer.output.register_forward_hook(lambda *_, index=index: ran.append(index))
    backbone(batch, prompt(3))
    assert ran == [2]


@pytest.mark.parametrize("family", ["bert", "roberta", "albert", "modernbert"])
def test_behind_the_last_layer_nothing_is_computed_but_the_pooler(family):
    backbone, batch = quiet(family), make_batch(family)
    plain = backbone(batch)
    backbone.enter_at(None)
    known = batch | {KNOWN: backbone.entering(batch, prompted=False)}
    backbone.reader.forward = None
    read = backbone(known)
    assert torch.equal(read.last_BTD, plain.last_BTD)
    assert (read.pooled_BD is None) == (plain.pooled_BD is None)
    assert plain.pooled_BD is None or torch.equal(read.pooled_BD, plain.pooled_BD)


@pytest.mark.parametrize(
    ("family", "changes", "by"),
    [
        ("bert", {"hidden_dropout_prob": 0.1}, "'embeddings.dropout' draws at random"),
        ("bert", {"attention_probs_dropout_prob": 0.1}, "'encoder.layer.0.attention.self' draws at random"),
        ("modernbert", {"embedding_dropout": 0.1}, "'embeddings.drop' draws at random"),
        ("gpt2", {"embd_pdrop": 0.1}, "'drop' draws at random"),
    ],
)
def test_what_draws_at_random_below_is_refused(family, changes, by):
    backbone = quiet(family, **changes)
    with pytest.raises(UserError, match=by):
        backbone.enter_at(1)


def test_dropout_above_is_no_matter():
    backbone = quiet("bert")
    backbone.model.encoder.layer[2].output.dropout.p = 0.5
    assert backbone.enter_at(1).layer == 1


def test_a_prompt_in_the_first_layer_leaves_nothing_to_know():
    with pytest.raises(UserError, match="the first layer has a prompt"):
        quiet("bert").enter_at(0)


@pytest.mark.parametrize(("family", "what"), [("t5", "not one list"), ("bart", "not one list")])
def test_encoder_decoders_are_refused(family, what):
    with pytest.raises(UserError, match=what):
        make_lm_backbone(family).enter_at(1)


def test_layers_that_need_more_than_states_are_refused():
    """T5's first layer makes the position bias of all."""
    backbone = make_lm_backbone("t5", dropout_rate=0.0)
    backbone.model.config.is_encoder_decoder = False
    encoder = type(backbone)(backbone.model.get_encoder(), backbone.tokenizer, "t5")
    with pytest.raises(UserError, match="take more from those below than their states"):
        encoder.enter_at(1)
