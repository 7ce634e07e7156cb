"""A prompt at the input gives what PEFT's prompt tuning gives with the same numbers."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_model, real
from peft import PromptTuningConfig, get_peft_model
from seq2seq_models import make_lm, make_lm_backbone, make_lm_batch
from soft_prompts import P, make_soft_prompt, one_row

pytestmark = [  # PEFT's own
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
    pytest.mark.filterwarnings("ignore:Position ids are not supported"),
]

CLOSE = {"atol": 1e-5, "rtol": 0}
DECODERS = ["gpt2", "llama"]


def make_peft(model, task, vectors_PW, heads=4):
    """PEFT's prompt tuning of an untouched model, with these vectors."""
    config = PromptTuningConfig(
        task_type=task, num_virtual_tokens=P, token_dim=vectors_PW.shape[1], num_attention_heads=heads, num_layers=1,
        num_transformer_submodules=1,
    )  # fmt: skip
    peft = get_peft_model(model, config).eval()
    peft.prompt_encoder["default"].embedding.weight.data.copy_(vectors_PW)
    return peft


@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_gradients_behind_the_prompt(family):
    backbone, batch = make_backbone(family), make_batch(family)
    batch.pop("token_type_ids", None)  # PEFT ignores them, and warns
    prompt = make_soft_prompt(backbone)
    (vectors_PW,) = prompt.rows.rows
    states_BTD = backbone(batch, prompt(3)).last_BTD
    peft = make_peft(make_model(family), "FEATURE_EXTRACTION", vectors_PW.detach())
    expected_BTD = peft(**batch).last_hidden_state[:, P:]
    torch.testing.assert_close(real(states_BTD, batch), real(expected_BTD, batch), **CLOSE)

    real(states_BTD, batch).pow(3).mean().backward()
    real(expected_BTD, batch).pow(3).mean().backward()
    assert vectors_PW.grad.abs().max() > 1e-3
    torch.testing.assert_close(vectors_PW.grad, peft.prompt_encoder["default"].embedding.weight.grad, **CLOSE)


@pytest.mark.parametrize("family", DECODERS)
@torch.no_grad()
def test_logits_of_a_decoder(family):
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    prompt = make_soft_prompt(backbone)
    logits_BTV = backbone(batch, prompt(3), reads="logits").logits_BTV
    expected_BTV = make_peft(make_lm(family), "CAUSAL_LM", prompt.rows.rows[0])(**batch).logits[:, P:]
    assert logits_BTV.shape == expected_BTV.shape
    torch.testing.assert_close(real(logits_BTV, batch), real(expected_BTV, batch), **CLOSE)


@pytest.mark.parametrize(
    "settings",
    [{}, {"num_beams": 3}, {"repetition_penalty": 1.5}, {"min_length": 12, "max_new_tokens": 10}, {"use_cache": False}],
    ids=lambda settings: "-".join(settings) or "greedy",
)
@pytest.mark.parametrize("family", DECODERS)
@torch.no_grad()
def test_texts_of_a_decoder(family, settings):
    """In a batch with padding on the left, as PEFT for each row alone (it ignores positions, so padding moves them)."""
    backbone, batch = make_lm_backbone(family), make_lm_batch(family, left=True)
    prompt = make_soft_prompt(backbone)
    settings = {"max_new_tokens": 6, "pad_token_id": 0, "eos_token_id": list(range(4, 280, 9))} | settings
    together_BT = backbone.generate(batch, prompt(3), settings)
    peft = make_peft(make_lm(family), "CAUSAL_LM", prompt.rows.rows[0])
    for row in range(3):
        alone = one_row(batch, row)
        ids_1T = backbone.generate(alone, prompt(1), settings)
        assert torch.equal(ids_1T, peft.generate(**alone, **settings)[:, alone["input_ids"].shape[1] :])
        if "min_length" not in settings and "repetition_penalty" not in settings:  # these count the padding too
            width = ids_1T.shape[1]
            assert torch.equal(together_BT[row, :width], ids_1T[0]) and (together_BT[row, width:] == 0).all()


@pytest.mark.parametrize("family", ["t5", "bart"])
@torch.no_grad()
def test_logits_and_texts_of_an_encoder_decoder(family):
    """The prompt stands in front of what the encoder reads."""
    backbone, batch = make_lm_backbone(family), make_lm_batch(family)
    prompt = make_soft_prompt(backbone)
    peft = make_peft(make_lm(family), "SEQ_2_SEQ_LM", prompt.rows.rows[0])
    logits_BTV = backbone(batch, prompt(3), reads="logits").logits_BTV
    torch.testing.assert_close(logits_BTV, peft(**batch).logits, **CLOSE)

    source = {key: batch[key] for key in ("input_ids", "attention_mask")}
    for settings in ({}, {"num_beams": 3}):
        settings = {"max_new_tokens": 6, "eos_token_id": list(range(4, 280, 9))} | settings
        assert torch.equal(backbone.generate(source, prompt(3), settings), peft.generate(**source, **settings))


@torch.no_grad()
def test_the_encoder_of_t5_alone():
    lm, prompted = make_lm("t5"), make_lm_backbone("t5")
    prompt, batch = make_soft_prompt(prompted), make_lm_batch("t5")
    embedded_BTW = lm.get_input_embeddings()(batch["input_ids"])
    joined_BTW = torch.cat([prompt.rows.rows[0].expand(3, -1, -1), embedded_BTW], dim=1)
    mask_BT = torch.cat([torch.ones(3, P), batch["attention_mask"]], dim=1)
    expected_BTD = lm.get_encoder()(inputs_embeds=joined_BTW, attention_mask=mask_BT).last_hidden_state[:, P:]
    states_BTD = prompted(batch, prompt(3)).last_BTD
    torch.testing.assert_close(real(states_BTD, batch), real(expected_BTD, batch), **CLOSE)
