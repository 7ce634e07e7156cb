"""Language models: the injector gives what PEFT's prefix tuning gives with the same numbers.

PEFT 0.21.2 puts the prefix into the cache, so a decoder's real tokens start at position P, where ptv2 leaves them at 0
(it does the same only if told to; generation counts positions by its cache). Each test says how the two are made equal:

- GPT-2, Llama, Qwen3: ptv2's positions shifted by P. A sliding window (Mistral) slides over PEFT's prefix, whose first
  keys fall out of it, while ptv2's prompt is seen by every query: no shift makes these equal.
- BART: the shift by way of a decoder's position table that starts P rows later.
- T5, mT5: their position bias treats PEFT's prefix as tokens at a distance; ptv2's prompt has none. Equal where the
  bias is zero.

Of an encoder-decoder PEFT prompts the decoder's self-attention alone. It cuts its numbers in fours there (key and value
for self and cross attention, the latter thrown away), so that layer i gets those of layer 2i modulo the depth.
"""

import pytest
import torch
from peft import PeftModel, PrefixTuningConfig, get_peft_model
from seq2seq_models import ENCODER_DECODERS, make_lm, make_lm_batch, make_lm_prompt, make_lm_tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from ptv2.backbone import Backbone, Injection
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.deep.vectors import from_official

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call

P = 5
PEFT_FAMILIES = ["gpt2", "llama", "qwen3", "bart", "t5", "mt5"]
LAYERS = 3
DEPTH = {"bart": {"encoder_layers": LAYERS, "decoder_layers": LAYERS}, "t5": {"num_layers": LAYERS}}
DEPTH |= {"mt5": DEPTH["t5"]}
CLOSE = {"atol": 1e-5, "rtol": 0}


def make_comparable(family: str) -> PreTrainedModel:
    """The family's model; T5's without its position bias."""
    model = make_lm(family, **DEPTH.get(family, {"num_hidden_layers": LAYERS}))
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:
            parameter.data.zero_()
    return model


def make_peft(family: str) -> PeftModel:
    """PEFT's prefix tuning, whose prompt is drawn from N(0, 1)."""
    task = "SEQ_2_SEQ_LM" if family in ENCODER_DECODERS else "CAUSAL_LM"
    model = make_comparable(family)
    sizes = {}
    if family == "qwen3":  # PEFT takes a head to be as wide as D / H
        sizes = {"token_dim": 2 * model.config.head_dim, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return get_peft_model(model, PrefixTuningConfig(task_type=task, num_virtual_tokens=P, **sizes)).eval()


def sources(family: str) -> list[int]:
    """Which of PEFT's layers a layer's numbers come from."""
    return [2 * i % LAYERS if family in ENCODER_DECODERS else i for i in range(LAYERS)]


def ours(family: str, peft: PeftModel) -> tuple[Backbone, DeepPrompt]:
    """Backbone and prompt with PEFT's numbers, its positions where PEFT's are."""
    tokenizer = make_lm_tokenizer(family)
    model = make_comparable(family)
    if family == "bart":
        table = model.model.decoder.embed_positions.weight.data
        table[:-P] = table[P:].clone()
    backbone = Backbone(model, tokenizer, family)
    seq2seq = family in ENCODER_DECODERS
    prompt = make_lm_prompt(backbone, length={"encoder": 0, "decoder": P, "cross": 0} if seq2seq else P)
    backbone.position_shift = P if not seq2seq else 0
    rows = from_official(peft.get_prompt_embedding_to_save("default"), layers=LAYERS)
    with torch.no_grad():
        for parameter, source in zip(prompt.rows.rows, sources(family), strict=True):
            parameter.copy_(rows[source])
    return backbone, prompt


def read(logits_BTV: Tensor, batch: dict[str, Tensor]) -> Tensor:
    return logits_BTV[batch["labels"] != -100 if "labels" in batch else batch["attention_mask"] == 1]


@pytest.mark.parametrize("family", PEFT_FAMILIES)
def test_logits_and_gradients_equal_those_of_peft(family):
    batch, peft = make_lm_batch(family), make_peft(family)
    backbone, prompt = ours(family, peft)

    logits = read(backbone(batch, prompt(3), "logits").logits_BTV, batch)
    expected = read(peft(**batch).logits, batch)
    torch.testing.assert_close(logits, expected, **CLOSE)

    logits.log_softmax(-1)[:, 7].mean().backward()
    expected.log_softmax(-1)[:, 7].mean().backward()
    gradient = from_official(peft.prompt_encoder["default"].embedding.weight.grad, layers=LAYERS)
    summed = [torch.zeros_like(vector_PF) for vector_PF in gradient]
    for source, row in zip(sources(family), prompt.rows.rows, strict=True):
        summed[source] += row.grad
    for vector_PF, expected_PF in zip(summed, gradient, strict=True):
        torch.testing.assert_close(vector_PF, expected_PF, **CLOSE)
    assert gradient[0].abs().max() > 1e-4


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3"])
@torch.no_grad()
def test_without_the_shift_the_logits_differ_from_peft(family):
    """Also for rotary positions: only distances count there, but PEFT's prefix lies at a distance and ours does not."""
    batch, peft = make_lm_batch(family), make_peft(family)
    backbone, prompt = ours(family, peft)
    backbone.position_shift = 0
    logits, expected = backbone(batch, prompt(3), "logits").logits_BTV, peft(**batch).logits
    assert (read(logits, batch) - read(expected, batch)).abs().max() > 0.1


@pytest.mark.parametrize("family", ["t5", "mt5"])
@torch.no_grad()
def test_generation_equals_peft(family):
    """Greedy, with the cache: PEFT's prefix in it, ours beside it."""
    batch, peft = make_lm_batch(family), make_peft(family)
    backbone, prompt = ours(family, peft)
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    settings = {"max_new_tokens": 8, "do_sample": False}
    written = backbone.generate(inputs, prompt(3), settings)
    assert written.tolist() == peft.generate(**inputs, **settings).tolist()
    assert written.tolist() != backbone.generate(inputs, Injection(), settings).tolist()
