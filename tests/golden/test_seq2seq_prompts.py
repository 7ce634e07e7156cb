"""Prompts of language models: the hidden form at every place, and starts made of what the bare backbone computes."""

from itertools import pairwise

import pytest
import torch
from seq2seq_models import (
    DECODERS,
    ENCODER_DECODERS,
    FAMILIES,
    PLACES,
    WIDTH,
    make_lm_backbone,
    make_lm_batch,
    make_lm_prompt,
)
from torch import Tensor, nn

from ptv2.backbone import Backbone
from ptv2.errors import UserError

TEXT = "the dog eats a big apple in Rome"
CLOSE = {"atol": 1e-5, "rtol": 0}


def projected(module: nn.Module, states_PD: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values [P, G * D] that an attention module of T5, BART or GPT-2 makes of states, by hand."""
    if hasattr(module, "c_attn"):
        return module.c_attn(states_PD).split(WIDTH, dim=1)[1:]
    names = ("k", "v") if hasattr(module, "k") else ("k_proj", "v_proj")
    return tuple(getattr(module, name)(states_PD) for name in names)


def flat(states_1GPD: Tensor) -> Tensor:
    return states_1GPD[0].transpose(0, 1).flatten(1)


@pytest.mark.parametrize("family", [*ENCODER_DECODERS, "gpt2"])
@torch.no_grad()
def test_the_hidden_form_goes_through_the_layers_own_projections(family):
    """Also where encoder, decoder and cross attention have lengths of their own."""
    backbone = make_lm_backbone(family)
    prompt = make_lm_prompt(backbone, form="hidden")
    made = [site for site in prompt(1).sites if site is not None]
    for slot, site, row_PD in zip(prompt.slots, made, prompt.rows.rows, strict=True):
        assert row_PD.shape == (PLACES[slot.site.place] if family != "gpt2" else 5, WIDTH)
        key, value = projected(slot.site.module, row_PD)
        torch.testing.assert_close(flat(site.key_BGPD), key, **CLOSE)
        torch.testing.assert_close(flat(site.value_BGPE), value, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_hidden_form_trains_its_rows_alone(family):
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    prompt = make_lm_prompt(backbone, form="hidden")
    with torch.inference_mode():
        backbone(batch, prompt(3), "logits")  # scored first, then trained
    backbone(batch, prompt(3), "logits").logits_BTV.log_softmax(-1)[..., 7].mean().backward()
    assert all(row.grad.abs().max() > 0 for row in prompt.rows.rows)
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize("init", [f"text:{TEXT}", "vocab"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_both_forms_start_from_the_same_keys_and_values(family, init):
    backbone = make_lm_backbone(family)
    kv, hidden = (make_lm_prompt(backbone, init=init, form=form)(1).sites for form in ("kv", "hidden"))
    for ours, other in zip(kv, hidden, strict=True):
        torch.testing.assert_close(ours.key_BGPD, other.key_BGPD, **CLOSE)
        torch.testing.assert_close(ours.value_BGPE, other.value_BGPE, **CLOSE)
        assert ours.key_BGPD.std() > 0.01


@pytest.mark.parametrize("form", ["kv", "hidden"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
@torch.no_grad()
def test_a_decoder_reads_on_from_the_text_it_starts_with(family, form):
    """Prompted with a text's keys and values, it gives what it gives after the text itself, positions included."""
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    text_P = torch.tensor(backbone.tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    P = len(text_P)
    prompt = make_lm_prompt(backbone, init=f"text:{TEXT}", length=P, form=form)
    ids = torch.cat([text_P.expand(3, P), batch["input_ids"]], dim=1)
    mask = torch.cat([torch.ones(3, P, dtype=torch.long), batch["attention_mask"]], dim=1)
    expected = backbone({"input_ids": ids, "attention_mask": mask}, reads="logits").logits_BTV[:, P:]

    backbone.position_shift = P
    logits = backbone(batch, prompt(3), "logits").logits_BTV
    real = batch["attention_mask"] == 1
    torch.testing.assert_close(logits[real], expected[real], **CLOSE)


@pytest.mark.parametrize("family", ENCODER_DECODERS)
@torch.no_grad()
def test_an_encoder_decoder_starts_from_its_reading_of_the_text(family):
    """Keys of the first encoder layer and of all cross attention, recomputed from embeddings and encoder output."""
    backbone = make_lm_backbone(family)
    prompt = make_lm_prompt(backbone, init=f"text:{TEXT}", length=4)
    ids = torch.tensor([backbone.tokenizer(TEXT, add_special_tokens=False)["input_ids"][:4]])
    encoder = backbone.model.get_encoder()
    read_PD = encoder(ids).last_hidden_state[0]
    made = prompt(1).sites
    for slot in prompt.slots:
        if slot.site.place == "cross":
            key, value = projected(slot.site.module, read_PD)
            torch.testing.assert_close(flat(made[slot.index].key_BGPD), key, **CLOSE)
            torch.testing.assert_close(flat(made[slot.index].value_BGPE), value, **CLOSE)
    if family != "bart":
        block = encoder.block[0].layer[0]
        key, _ = projected(block.SelfAttention, block.layer_norm(encoder.embed_tokens(ids)[0]))
        torch.testing.assert_close(flat(made[0].key_BGPD), key, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_counted_within_each_place(family):
    backbone = make_lm_backbone(family, **({"encoder_layers": 3} if family == "bart" else {}))
    prompt = make_lm_prompt(backbone, layers="top:1")
    depths = {"encoder": 3 if family == "bart" else 2, "decoder": 2, "cross": 2}
    assert {slot.site.place: slot.site.layer for slot in prompt.slots} == {
        place: depths[place] - 1 for place in (PLACES if family in ENCODER_DECODERS else ["decoder"])
    }
    assert all(a.index < b.index for a, b in pairwise(prompt.slots))


@pytest.mark.parametrize(
    ("family", "length", "said"),
    [
        ("gpt2", {"encoder": 3}, "no place 'encoder' in this backbone; did you mean 'decoder'?"),
        ("t5", {"crossing": 3}, "no place 'crossing' in this backbone; did you mean 'cross'?"),
        ("t5", {"encoder": 0, "decoder": 0}, "no place gets a prompt"),
        ("t5", {"encoder": -1}, "'-1' is not a length"),
        ("t5", {"encoder": 1.5}, "'1.5' is not a length"),
        ("t5", [3, 3], "2 lengths for 6 prompted layers"),
    ],
)
def test_lengths_that_cannot_be_are_refused(family, length, said):
    with pytest.raises(UserError, match=r"prompt\.length: ") as error:
        make_lm_prompt(make_lm_backbone(family), length=length)
    assert said in str(error.value)


@pytest.mark.parametrize("family", ENCODER_DECODERS)
def test_an_encoder_that_numbers_its_positions_itself_says_so(family):
    """It would swallow other numbers without a word."""
    with pytest.raises(UserError, match=r"prompt\.position_offset: backbone family '.*' numbers its positions itself"):
        make_lm_backbone(family).position_shift = 5


@pytest.mark.parametrize("family", FAMILIES)
def test_checkpointing_changes_no_gradient(family):
    """In train mode, with the backbone's own dropout, on the cross-entropy of the target."""
    batch, gradients = make_lm_batch(family), []
    for checkpointing in (False, True):
        backbone = make_lm_backbone(family).train()
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt = make_lm_prompt(backbone)
        torch.manual_seed(6)
        calls = count_forwards(backbone)
        loss_of(backbone, batch, prompt(3)).backward()
        gradients.append([row.grad for row in prompt.rows.rows])
        assert calls == [2 if checkpointing else 1]  # the second time in the backward pass
    for plain, recomputed in zip(*gradients, strict=True):
        assert plain.abs().max() > 1e-5
        torch.testing.assert_close(recomputed, plain, **CLOSE)


def count_forwards(backbone: Backbone) -> list[int]:
    """How often the last layer's attention runs."""
    calls = [0]
    last = max(backbone.sites, key=lambda site: (site.place == "decoder", site.layer))
    last.module.register_forward_pre_hook(lambda *_: calls.__setitem__(0, calls[0] + 1))
    return calls


def loss_of(backbone: Backbone, batch: dict[str, Tensor], prompts: list) -> Tensor:
    labels = batch.get("labels", batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100))
    logits = backbone(batch, prompts, "logits").logits_BTV
    if backbone.model.config.model_type in DECODERS:
        logits, labels = logits[:, :-1], labels[:, 1:]
    return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
