"""A row's answer does not depend on its neighbours, whatever side the tokenizer was saved to pad and cut on.

Texts go through the loaded tokenizer and a kind's features, as in a run: alone, and in a batch with longer ones.
"""

from pathlib import Path

import pytest
import torch
from families import FAMILIES, make_model, make_prompt, make_tokenizer
from seq2seq_models import CONFIGS, DECODERS, ENCODER_DECODERS, SIZES, make_lm, make_lm_prompt, make_lm_tokenizer
from transformers import BioGptConfig, Gemma2Config, GptOssConfig, OPTConfig, RobertaConfig

from ptv2.backbone import Backbone, Injection, load_backbone
from ptv2.backbone.families import shifted_positions
from ptv2.config.cards import TaskCard
from ptv2.config.schema import BackboneConfig, HeadConfig
from ptv2.kinds import KINDS
from ptv2.rows.labels import Labels

TEXTS = ["good", "the film was bad and the story was dull and slow", "we saw it early"]
DECODER = {"num_key_value_heads": 2, "head_dim": 8}
MORE = {  # other ways to number positions, and attention that eager alone can do
    "opt": (OPTConfig, SIZES | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "biogpt": (BioGptConfig, SIZES),  # a table as OPT's, which numbers every column
    "roberta-decoder": (RobertaConfig, SIZES | {"is_decoder": True, "pad_token_id": 2, "type_vocab_size": 1}),
    "gemma2": (Gemma2Config, SIZES | DECODER | {"sliding_window": 4}),
    "gpt_oss": (
        GptOssConfig,
        SIZES | DECODER | {"num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 4},
    ),
}
SIDES = ["left", "right"]
pytestmark = pytest.mark.filterwarnings("ignore:.*runs as eager")


@pytest.fixture(autouse=True)
def more_families(monkeypatch):
    for name, config in MORE.items():
        monkeypatch.setitem(CONFIGS, name, config)


def loaded(model, tokenizer, side: str, folder: Path, reads: str = "states") -> Backbone:
    tokenizer.padding_side = tokenizer.truncation_side = side
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_backbone(BackboneConfig(name=str(folder)), reads)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_an_encoders_answer(family, side, tmp_path):
    backbone = loaded(make_model(family), make_tokenizer(family), side, tmp_path)
    assert answers_differ_by(backbone, make_prompt(backbone), "mean") < 1e-5


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", ["gpt2", "qwen3", *MORE, "t5", "bart"])
@torch.no_grad()
def test_a_language_models_states(family, side, tmp_path):
    backbone = loaded(make_lm(family), make_lm_tokenizer(family), side, tmp_path)
    pooling = "mean" if family in ENCODER_DECODERS else "last"
    length = {"encoder": 3} if family in ENCODER_DECODERS else 5
    assert answers_differ_by(backbone, make_prompt(backbone, length=length), pooling) < 1e-5


def answers_differ_by(backbone: Backbone, prompt, pooling: str) -> float:
    """The most that a logit of a row alone differs from that in a batch."""
    card = TaskCard(name="tiny", kind="cls", inputs={"text": "text"}, label="label", max_length=40)
    features = KINDS["cls"].features(card, backbone.tokenizer, Labels(["a", "b"], "card"))
    head = KINDS["cls"].head(HeadConfig(pooling=pooling), backbone, 2).eval()
    torch.nn.init.normal_(head.out.weight, std=0.2)
    rows = [features.encode({"text": text}, str, labelled=False)[0] | {"row": i} for i, text in enumerate(TEXTS)]

    def logits(chosen: list) -> torch.Tensor:
        return head(backbone(features.collate(chosen), prompt(len(chosen))))

    together, alone = logits(rows), torch.cat([logits([row]) for row in rows])
    assert (together[0] - together[1]).abs().max() > 1e-3  # rows are told apart
    return (together - alone).abs().max().item()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", [*DECODERS, *ENCODER_DECODERS, *MORE])
@torch.no_grad()
def test_a_text_that_is_written_and_its_likelihood(family, side, tmp_path):
    backbone = loaded(make_lm(family), make_lm_tokenizer(family), side, tmp_path, "logits")
    prompt = make_lm_prompt(backbone, std=0.5)
    card = TaskCard(
        name="tiny", kind="seq2seq", inputs={"source": "text"}, label="target", max_length=40,
        options={"max_target_length": 6},
    )  # fmt: skip
    features = KINDS["seq2seq"].features(card, backbone.tokenizer, None, decoder_only=not backbone.is_encoder_decoder)
    head = KINDS["seq2seq"].head(HeadConfig(), backbone, 1)
    head.settings = features.generation()
    rows = [features.encode({"text": text, "target": "fine"}, str)[0] | {"row": i} for i, text in enumerate(TEXTS)]

    def answers(chosen: list) -> tuple[list[str], list[float]]:
        batch = features.collate(chosen)
        decoded = head.decode(head(backbone(batch, prompt(len(chosen)), "targets")), batch, [])
        return head.generate(backbone, prompt(len(chosen)), batch), [output["nll"] for output in decoded]

    texts, nll = answers(rows)
    alone = [answers([row]) for row in rows]
    assert texts == [text for (text,), _ in alone]
    torch.testing.assert_close(nll, [value for _, (value,) in alone], atol=1e-3, rtol=0)
    assert len({round(value, 2) for value in nll}) > 1  # sources are told apart


@pytest.mark.parametrize("family", ["roberta-decoder", "opt", "biogpt", "gemma2"])
@torch.no_grad()
def test_writing_numbers_positions_as_reading_does(family):
    """Greedy is the argmax by hand, the whole sequence anew each time."""
    backbone = Backbone(make_lm(family), make_lm_tokenizer("gpt2"))
    ids = torch.randint(4, 280, (1, 5), generator=torch.Generator().manual_seed(3))
    settings = {"max_new_tokens": 5, "pad_token_id": 2, "eos_token_id": None}
    written = backbone.generate({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, Injection(), settings)
    for _ in range(5):
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        ids = torch.cat([ids, backbone(batch, Injection(), "logits").logits_BTV[:, -1:].argmax(-1)], dim=1)
    assert written.tolist() == ids[:, 5:].tolist()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", ["gpt2", "llama", *MORE])
@torch.no_grad()
def test_positions_behind_no_prompt_are_the_models_own(family, side):
    model, mask_BT = make_lm(family), torch.ones(2, 6, dtype=torch.long)
    mask_BT[1, :3] = 0
    mask_BT = mask_BT if side == "left" else mask_BT.flip(1)
    ids_BT = torch.randint(4, 280, (2, 6), generator=torch.Generator().manual_seed(3))
    ids_BT = torch.where(mask_BT == 1, ids_BT, model.config.pad_token_id or 0)
    own, ours = (
        model(input_ids=ids_BT, attention_mask=mask_BT, **more).logits[mask_BT == 1]
        for more in ({}, {"position_ids": shifted_positions(model, mask_BT, 0)})
    )
    torch.testing.assert_close(ours, own)
