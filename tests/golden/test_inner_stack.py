"""OPT's language model calls the stack inside of its base model: what is done at the input is done there.

The reference is transformers' own model, on embeddings and texts that are joined by hand.
"""

import pytest
import torch
from seq2seq_models import SIZES, loaded_tokenizer, random_ids
from soft_prompts import P, make_soft_prompt
from transformers import AutoModel, AutoModelForCausalLM, OPTConfig

from ptv2.backbone import Backbone

CLOSE = {"atol": 1e-5, "rtol": 0}
SIZES_OPT = SIZES | {"ffn_dim": 48, "word_embed_proj_dim": SIZES["hidden_size"]}


def make_opt(auto: type = AutoModelForCausalLM):
    torch.manual_seed(0)
    return auto.from_config(OPTConfig(**SIZES_OPT, init_std=0.3)).eval()


@pytest.fixture
def backbone() -> Backbone:
    return Backbone(make_opt(), loaded_tokenizer("gpt2"), "opt")


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    ids, mask = random_ids((9, 6, 3))
    return {"input_ids": ids, "attention_mask": mask}


def joined(model, batch, vectors_PW):
    embedded = torch.cat([vectors_PW.expand(3, -1, -1), model.get_input_embeddings()(batch["input_ids"])], dim=1)
    mask = torch.cat([torch.ones(3, P, dtype=torch.long), batch["attention_mask"]], dim=1)
    return model(inputs_embeds=embedded, attention_mask=mask, use_cache=False)


@torch.no_grad()
def test_a_prompt_at_the_input_stands_in_front_of_the_text(backbone, batch):
    prompt, real = make_soft_prompt(backbone), batch["attention_mask"] == 1
    logits = backbone(batch, prompt(3), "logits").logits_BTV
    expected = joined(make_opt(), batch, prompt.rows.rows[0]).logits[:, P:]
    torch.testing.assert_close(logits[real], expected[real], **CLOSE)
    assert (logits - backbone(batch, reads="logits").logits_BTV)[real].abs().max() > 0.01


@torch.no_grad()
def test_heads_of_states_read_the_same_stack(batch):
    backbone, real = Backbone(make_opt(AutoModel), loaded_tokenizer("gpt2"), "opt"), batch["attention_mask"] == 1
    prompt = make_soft_prompt(backbone)
    expected = joined(make_opt(AutoModel), batch, prompt.rows.rows[0]).last_hidden_state[:, P:]
    torch.testing.assert_close(backbone(batch, prompt(3)).last_BTD[real], expected[real], **CLOSE)


@torch.no_grad()
def test_the_answer_of_a_template_is_read_at_its_place(backbone, batch):
    at_B = torch.tensor([8, 5, 2])
    answers = backbone(batch | {"answer_at_B": at_B}, reads="answer").logits_BTV
    expected = make_opt()(**batch).logits[torch.arange(3), at_B][:, None]
    torch.testing.assert_close(answers, expected, **CLOSE)


@torch.no_grad()
def test_targets_are_as_likely_without_padding(backbone, batch):
    targets = batch | {"labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}
    prompt = make_soft_prompt(backbone)
    padded = backbone(targets, prompt(3), "targets").nll_BT
    backbone.unpad()
    torch.testing.assert_close(backbone(targets, prompt(3), "targets").nll_BT, padded, **CLOSE)
