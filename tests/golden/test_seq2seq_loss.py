"""The language model's loss: over the target alone, equal to transformers' own, and perplexity by hand."""

import math
from typing import Any

import pytest
import torch
from seq2seq_models import DECODERS, FAMILIES, make_lm_backbone, make_lm_prompt
from torch import Tensor

from ptv2.backbone import Backbone, Injection
from ptv2.config.cards import TaskCard
from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE
from ptv2.kinds.seq2seq import Seq2SeqHead
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.metrics.split import Split
from ptv2.metrics.table import score

ROWS = [
    {"source": "the cat sees a red hen", "target": "a hen"},
    {"source": "apple", "target": "the dog eats a big apple"},
    {"source": "a small cow", "target": "Rome"},
]
CLOSE = {"atol": 1e-5, "rtol": 0}


def make(family: str, kernel: str = "sdpa") -> tuple[Backbone, DeepPrompt, Seq2SeqHead]:
    backbone = make_lm_backbone(family, kernel)
    return backbone, make_lm_prompt(backbone), KINDS["seq2seq"].head(HeadConfig(), backbone, 1).eval()


def make_features(backbone: Backbone) -> Any:
    card = TaskCard(name="tiny", kind="seq2seq", inputs={"source": "source"}, label="target", max_length=32)
    return KINDS["seq2seq"].features(card, backbone.tokenizer, None, decoder_only=not backbone.is_encoder_decoder)


def make_batch(backbone: Backbone, rows: list[dict[str, str]] = ROWS, length: int | None = None) -> dict[str, Tensor]:
    features = make_features(backbone)
    encoded = [features.encode(row, lambda: "row")[0] | {"row": i} for i, row in enumerate(rows)]
    return features.collate(encoded, length)


def log_likelihoods(backbone: Backbone, prompt: DeepPrompt | None, row: dict[str, str]) -> list[float]:
    """Of each target token given what stands before it, one forward pass each, no labels, no padding."""
    batch, found = make_batch(backbone, [row]), []
    target = [token for token in batch["labels"][0].tolist() if token != IGNORE]
    start = [backbone.model.config.decoder_start_token_id] if backbone.is_encoder_decoder else []
    for i, token in enumerate(target):
        if backbone.is_encoder_decoder:
            given = {key: batch[key] for key in ("input_ids", "attention_mask")}
            given["decoder_input_ids"] = torch.tensor([start + target[:i]])
        else:
            given = {"input_ids": batch["input_ids"][:, : batch["source_ids"].shape[1] + i]}
        with backbone.state.use(prompt(1) if prompt else Injection()):
            probabilities_V = backbone.model(**given).logits[0, -1].double().softmax(0)
        found.append(math.log(probabilities_V[token]))
    return found


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_loss_is_the_mean_over_target_tokens(family, kernel):
    backbone, prompt, head = make(family, kernel)
    batch = make_batch(backbone)
    loss = head.loss(head(backbone(batch, prompt(3), "targets")), batch)
    by_hand = [value for row in ROWS for value in log_likelihoods(backbone, prompt, row)]
    assert loss.item() == pytest.approx(-sum(by_hand) / len(by_hand), abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_the_loss_is_that_of_transformers(family):
    backbone, prompt, head = make(family)
    batch = make_batch(backbone)
    given = {key: batch[key] for key in ("input_ids", "attention_mask", "labels")}
    for prompts in (prompt(3), Injection()):
        loss = head.loss(head(backbone(batch, prompts, "targets")), batch)
        with backbone.state.use(prompts):
            torch.testing.assert_close(loss, backbone.model(**given).loss, **CLOSE)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_padding_on_the_right_changes_nothing(family):
    backbone, prompt, head = make(family)
    batches = [make_batch(backbone), make_batch(backbone, length=60)]
    assert [batch["input_ids"].shape[1] for batch in batches][1] == 60
    outputs = [head(backbone(batch, prompt(3), "targets")) for batch in batches]
    losses = [head.loss(logits, batch) for logits, batch in zip(outputs, batches, strict=True)]
    torch.testing.assert_close(losses[0], losses[1], **CLOSE)
    rows = [head.decode(logits, batch, []) for logits, batch in zip(outputs, batches, strict=True)]
    for short, long in zip(*rows, strict=True):
        assert short["tokens"] == long["tokens"]
        assert short["nll"] == pytest.approx(long["nll"], abs=1e-4)


@pytest.mark.parametrize("family", DECODERS)
def test_no_loss_on_the_source(family):
    """Neither labels at the source nor its tokens have a part in the loss."""
    backbone, prompt, head = make(family)
    batch = make_batch(backbone)
    nll_BT = head(backbone(batch, prompt(3), "targets"))
    for row, (source, ids) in enumerate(zip(batch["source_mask"].sum(1), batch["attention_mask"].sum(1), strict=True)):
        assert nll_BT[row].nonzero().flatten().tolist() == list(range(source, ids))
        assert batch["labels"][row, :source].eq(IGNORE).all()
        assert batch["labels"][row, source:ids].equal(batch["input_ids"][row, source:ids])


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_perplexity_by_hand(family):
    """Of the prompted model, over all tokens of all targets, the end of the text included."""
    backbone, prompt, head = make(family)
    batch = make_batch(backbone)
    sides = head.decode(head(backbone(batch, prompt(3), "targets")), batch, [])
    by_hand = [log_likelihoods(backbone, prompt, row) for row in ROWS]
    assert [side["tokens"] for side in sides] == [len(row) for row in by_hand]
    for side, row in zip(sides, by_hand, strict=True):
        assert side["nll"] == pytest.approx(-sum(row), abs=1e-4)
        length = len(backbone.tokenizer(text_target=ROWS[by_hand.index(row)]["target"])["input_ids"])
        has_ends = {"t5": 0, "mt5": 0, "bart": 0, "llama": 0, "mistral": 0}  # Llama's opening token for our closing one
        assert len(row) == length + has_ends.get(family, 1)
    values = [value for row in by_hand for value in row]
    expected = math.exp(-sum(values) / len(values))
    assert score(["perplexity"], Split([""] * 3, [[""]] * 3, (), sides))["perplexity"] == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_rows_without_a_target_can_be_written_for(family):
    """What `ptv2.predict` reads: the same texts as for rows with a target, and no likelihood."""
    backbone, prompt, head = make(family)
    features = make_features(backbone)
    head.settings = features.generation() | {"max_new_tokens": 6}
    rows = [{"source": row["source"]} for row in ROWS]
    encoded = [features.encode(row, lambda: "row", labelled=False)[0] | {"row": i} for i, row in enumerate(rows)]
    batch, labelled = features.collate(encoded), make_batch(backbone)
    assert "labels" not in batch
    assert head.decode(head(backbone(batch, prompt(3), "targets")), batch, []) == [{}, {}, {}]
    assert head.generate(backbone, prompt(3), batch) == head.generate(backbone, prompt(3), labelled)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_model_in_float64_is_scored_in_float64(family):
    """To 1e-12 of what a forward pass per token gives: nothing on the way is rounded to float32."""
    backbone, prompt, head = make(family)
    for module in (backbone, prompt, head):
        module.double()
    batch = make_batch(backbone)
    sides = head.decode(head(backbone(batch, prompt(3), "targets")), batch, [])
    by_hand = [-sum(log_likelihoods(backbone, prompt, row)) for row in ROWS]
    assert [side["nll"] for side in sides] == pytest.approx(by_hand, abs=1e-12)


def test_a_target_is_summed_in_float64():
    """Its tokens are of float32, in which 2^24 + 1 is 2^24."""
    backbone, _, head = make("t5")
    batch = make_batch(backbone)
    nll_BT = torch.where(batch["labels"] != IGNORE, 1.0, 0.0)
    nll_BT[:, 0] = 2.0**24
    for side in head.decode(nll_BT, batch, []):
        assert side["nll"] == 2**24 + side["tokens"] - 1
