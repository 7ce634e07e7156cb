"""Layers that run on the real tokens alone change nothing: neither what heads read nor the gradients of the prompts."""

from types import SimpleNamespace

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_prompt, open_gates, real, save_backbone
from seq2seq_models import DECODERS, ENCODER_DECODERS, make_lm_backbone
from test_entry import FORMS, entered, quiet
from test_sharing import ROWS, prompt_for

from ptv2.backbone import Injection, InputPrompt, load_backbone
from ptv2.config.schema import BackboneConfig
from ptv2.errors import UserError
from ptv2.exchange.onnx import Graph

READ_ALONE = [family for family in DECODERS if family != "gpt2"]
TAKE = [family for family in FAMILIES if family != "deberta-v2"] + READ_ALONE
CLOSE = {"atol": 1e-5, "rtol": 0}


def batch_of(family, **shape):
    """Rows of 9, 6 and 3 tokens, padded to 11."""
    batch = make_batch("bert" if family in DECODERS else family, **{"width": 11} | shape)
    return {name: held for name, held in batch.items() if family not in DECODERS or name != "token_type_ids"}


def read(backbone, injection, batch, parameters=()):
    """What heads read, and the gradients of these parameters of its real tokens and its pooler."""
    states = backbone(batch, injection)
    last = real(states.last_BTD, batch)
    pooled = last[:0] if states.pooled_BD is None else states.pooled_BD
    if parameters:
        (last.pow(3).mean() + pooled.sum()).backward()
    gradients = [parameter.grad.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    return [last.detach(), pooled.detach(), *gradients]


def check_same(backbone, prompt, batch, rows=3, task=0):
    parameters = list(prompt.parameters())
    padded = read(backbone, prompt(rows, task), batch, parameters)
    backbone.unpad()
    widths = []
    site = backbone.sites[-1].module
    hook = site.register_forward_pre_hook(
        lambda _, a, k: widths.append((a or [k["hidden_states"]])[0].shape[:2]), with_kwargs=True
    )
    packed = read(backbone, prompt(rows, task), batch, parameters)
    hook.remove()
    assert set(widths) == {(1, int(batch["attention_mask"].sum()))}
    assert all(map(torch.any, padded[2:]))
    for ours, expected in zip(packed, padded, strict=True):
        torch.testing.assert_close(ours, expected, **CLOSE)


@pytest.mark.parametrize("offset", [False, True])
@pytest.mark.parametrize("family", TAKE)
def test_families(family, offset):
    """ModernBERT and Mistral among them: a layer's window is that of a row."""
    backbone = quiet(family)
    check_same(backbone, make_prompt(backbone, position_offset=offset), batch_of(family))


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_the_eager_kernel(family):
    backbone = make_backbone(family, "eager")
    check_same(backbone, make_prompt(backbone), batch_of(family))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_forms(family, form):
    backbone = make_backbone(family)
    check_same(backbone, open_gates(make_prompt(backbone, **FORMS[form]), 0.5), batch_of(family))


@pytest.mark.parametrize("sharing", ["task", "shared+task", "keys"])
@pytest.mark.parametrize("form", ["kv", ["memory", "slots", "values", "queries"]])
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_rows_of_several_tasks(family, form, sharing):
    if sharing == "keys" and form != "kv":
        pytest.skip("keys are shared in the form kv alone")
    backbone = quiet(family)
    check_same(backbone, prompt_for(backbone, form=form, sharing=sharing), batch_of(family), 3, ROWS)


def test_each_row_has_a_token_gate_of_its_task():
    backbone = make_backbone("bert")
    check_same(backbone, prompt_for(backbone, token_gate=True, sharing="task"), batch_of("bert"), 3, ROWS)


@pytest.mark.parametrize("family", ["bert", "albert-groups", "llama"])
def test_layers_that_are_recomputed(family):
    backbone = quiet(family).train()
    backbone.enable_gradient_checkpointing()
    check_same(backbone, make_prompt(backbone, form=["kv", "slots"]), batch_of(family))


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_known_states(family):
    backbone = quiet(family)
    prompt = make_prompt(backbone, layers="top:1")
    check_same(backbone, prompt, entered(backbone, prompt, batch_of(family)))


@pytest.mark.parametrize("family", ["bert", "roberta", "llama"])
def test_a_prompt_at_the_input(family):
    backbone, batch = quiet(family), batch_of(family)
    vectors = torch.nn.Parameter(torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(1)))
    padded = read(backbone, Injection(inputs=InputPrompt(vectors)), batch, [vectors])
    backbone.unpad()
    packed = read(backbone, Injection(inputs=InputPrompt(vectors)), batch, [vectors])
    for ours, expected in zip(packed, padded, strict=True):
        torch.testing.assert_close(ours, expected, **CLOSE)


@pytest.mark.parametrize("family", READ_ALONE)
def test_logits_and_text_of_a_decoder(family):
    backbone, batch = make_lm_backbone(family), batch_of(family)
    injection = make_prompt(backbone)(3)
    padded = backbone(batch, injection, "logits").logits_BTV
    sources = {"input_ids": batch["input_ids"][:, :3], "attention_mask": batch["attention_mask"][:, :3]}
    settings = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    text = backbone.generate(sources, injection, settings)
    backbone.unpad()
    torch.testing.assert_close(
        real(backbone(batch, injection, "logits").logits_BTV, batch), real(padded, batch), **CLOSE
    )
    assert torch.equal(backbone.generate(sources, injection, settings), text)


@pytest.mark.parametrize("family", READ_ALONE)
def test_likelihoods_of_a_decoders_targets(family):
    backbone, batch = make_lm_backbone(family), batch_of(family)
    prompt = make_prompt(backbone)
    batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)

    def found():
        nll_BT = backbone(batch, prompt(3), "targets").nll_BT
        gradients = torch.autograd.grad(nll_BT.sum(), [p for p in prompt.parameters() if p.requires_grad])
        return nll_BT, *gradients

    padded = found()
    backbone.unpad()
    for ours, expected in zip(found(), padded, strict=True):
        torch.testing.assert_close(ours, expected, **CLOSE)


@pytest.mark.parametrize("shape", [{"lengths": (5, 5, 5), "width": 5}, {"lengths": (5,), "width": 9}])
def test_a_batch_without_padding_or_of_one_row_runs_as_it_stands(shape):
    backbone, batch = make_backbone("bert"), batch_of("bert", **shape)
    plain = backbone(batch).last_BTD
    backbone.unpad()
    assert torch.equal(backbone(batch).last_BTD, plain)


def test_more_tokens_in_a_batch_than_positions_in_the_table():
    for family in ("bert", "roberta", "electra", "albert"):
        backbone, batch = make_backbone(family), batch_of(family, lengths=(40, 9, 40, 33), width=41)
        batch.pop("token_type_ids", None)
        check_same(backbone, make_prompt(backbone), batch, rows=4)


@pytest.mark.parametrize("family", ["deberta-v2", "gpt2", *ENCODER_DECODERS])
def test_families_whose_layers_need_rows_are_refused(family):
    backbone = make_backbone(family) if family in FAMILIES else make_lm_backbone(family)
    with pytest.raises(UserError, match=rf"the layers of family '{family}' need rows with their padding"):
        backbone.unpad()


def test_a_graph_that_is_exported_reads_padded_rows():
    backbone = make_backbone("bert")
    backbone.unpad()
    source = SimpleNamespace(backbone=backbone, head=lambda states: states.last_BTD, injection=Injection)
    ids, mask, types = (batch_of("bert")[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
    torch.testing.assert_close(
        torch.export.export(Graph(source), (ids, mask, types)).module()(ids, mask, types),
        make_backbone("bert")(batch_of("bert")).last_BTD,
        **CLOSE,
    )


def test_the_key_of_a_config(tmp_path):
    folder = str(save_backbone("bert", tmp_path))
    assert load_backbone(BackboneConfig(folder, unpad=True)).unpads
    with pytest.raises(UserError, match="compile exclude each other"):
        load_backbone(BackboneConfig(folder, unpad=True, compile=True))
