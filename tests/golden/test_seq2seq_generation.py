"""Generation under prompts: with the cache as without it, in a batch as alone, greedy as an argmax by hand."""

from typing import Any

import pytest
import torch
from seq2seq_models import (
    DECODERS,
    FAMILIES,
    VOCABULARY,
    make_lm_backbone,
    make_lm_batch,
    make_lm_prompt,
)
from torch import Tensor

from ptv2.backbone import Backbone, Injection, SitePrompt
from ptv2.methods.deep.prompt import DeepPrompt

NEW = 7
ENDS = list(range(4, VOCABULARY, 9))  # so many tokens end a text that rows end at different lengths
COMMON = {"max_new_tokens": NEW, "pad_token_id": 0, "eos_token_id": ENDS, "do_sample": False, "num_beams": 1}
WAYS = {
    "greedy": {},
    "beams": {"num_beams": 3, "length_penalty": 0.6},
    "sampling": {"do_sample": True, "top_k": 40, "top_p": 0.95, "temperature": 1.5},
    "sampled beams": {"do_sample": True, "num_beams": 2},
}
KERNELS = ["sdpa", "eager"]


def make(family: str, kernel: str = "sdpa", **prompt: Any) -> tuple[Backbone, DeepPrompt, dict[str, Tensor]]:
    """Backbone, prompt and sources of unequal lengths: a decoder-only model's are padded on the left."""
    backbone = make_lm_backbone(family, kernel)
    batch = make_lm_batch(family, left=family in DECODERS)
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    return backbone, make_lm_prompt(backbone, std=0.5, **prompt), inputs


def generate(backbone: Backbone, inputs: dict[str, Tensor], prompt: DeepPrompt | None, **settings: Any) -> Tensor:
    torch.manual_seed(9)
    prompts = prompt(len(inputs["input_ids"])) if prompt is not None else Injection()
    return backbone.generate(inputs, prompts, COMMON | settings)


def alone(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """A row as a batch of its own, without its padding."""
    real = inputs["attention_mask"][row] == 1
    return {key: value[row : row + 1, real] for key, value in inputs.items()}


def texts(ids_BT: Tensor) -> list[list[int]]:
    """Rows up to their end."""
    rows = []
    for row in ids_BT.tolist():
        first = next((i for i, token in enumerate(row) if token in ENDS), len(row))
        rows.append(row[: first + 1])
    return rows


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_cache_as_without(family, kernel):
    backbone, prompt, inputs = make(family, kernel)
    for way, settings in WAYS.items():
        cached = generate(backbone, inputs, prompt, **settings)
        plain = generate(backbone, inputs, prompt, use_cache=False, **settings)
        assert cached.tolist() == plain.tolist(), way
        assert cached.tolist() != generate(backbone, inputs, None, **settings).tolist(), way
        if settings.get("do_sample"):
            assert cached.tolist() == generate(backbone, inputs, prompt, **settings).tolist()  # one seed, one text


@pytest.mark.parametrize("family", DECODERS)
def test_with_a_static_cache_as_without(family):
    """Its keys are as many as the longest text has, most of them empty."""
    backbone, prompt, inputs = make(family)
    static = generate(backbone, inputs, prompt, cache_implementation="static", disable_compile=True)
    assert static.tolist() == generate(backbone, inputs, prompt, use_cache=False).tolist()


@pytest.mark.parametrize("way", ["greedy", "beams"])
@pytest.mark.parametrize("family", FAMILIES)
def test_in_a_batch_as_alone(family, way):
    """Rows of 9, 6 and 3 tokens."""
    backbone, prompt, inputs = make(family)
    together = texts(generate(backbone, inputs, prompt, **WAYS[way]))
    rows = [texts(generate(backbone, alone(inputs, row), prompt, **WAYS[way]))[0] for row in range(3)]
    assert together == rows
    assert len({tuple(row) for row in rows}) > 1  # sources are told apart


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_greedy_is_the_argmax_by_hand(family, kernel):
    """Step by step, the whole sequence anew each time."""
    backbone, prompt, inputs = make(family, kernel)
    written = generate(backbone, inputs, prompt, eos_token_id=None)
    for row in range(3):
        source = alone(inputs, row)
        start = [backbone.model.config.decoder_start_token_id] if backbone.is_encoder_decoder else []
        target = list(start)
        for _ in range(NEW):
            if backbone.is_encoder_decoder:
                given = source | {"decoder_input_ids": torch.tensor([target])}
            else:
                ids = torch.cat([source["input_ids"], torch.tensor([target], dtype=torch.long)], dim=1)
                given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            with backbone.state.use(prompt(1)):
                logits_V = backbone.model(**given, use_cache=False).logits[0, -1]
            target.append(int(logits_V.argmax()))
        assert written[row].tolist() == target


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_of_their_own_for_rows_with_beams(family):
    """Each row's prompt goes with all of its beams."""
    backbone, _, inputs = make(family)
    prompts = [make_lm_prompt(backbone, seed=seed, std=0.5) for seed in (1, 2, 3)]
    mixed = [
        SitePrompt(torch.cat([p.key_BGPD for p in site]), torch.cat([p.value_BGPE for p in site]))
        for site in zip(*(prompt(1).sites for prompt in prompts), strict=True)
    ]
    settings = COMMON | {"num_beams": 3}
    together = texts(backbone.generate(inputs, Injection(mixed), settings))
    rows = [texts(generate(backbone, alone(inputs, i), prompts[i], num_beams=3))[0] for i in range(3)]
    assert together == rows


@pytest.mark.parametrize("family", FAMILIES)
def test_a_closed_gate_writes_what_the_bare_model_writes(family):
    backbone, prompt, inputs = make(family, gate=True)
    for settings in WAYS.values():
        gated = generate(backbone, inputs, prompt, **settings)
        assert gated.tolist() == generate(backbone, inputs, None, **settings).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_ends_with_the_text(family):
    """Nothing of a generation stays behind for the next forward pass."""
    backbone, prompt, inputs = make(family)
    generate(backbone, inputs, prompt)
    again, fresh = generate(backbone, inputs, None), generate(make_lm_backbone(family), inputs, None)
    assert again.tolist() == fresh.tolist()


@pytest.mark.parametrize(("family", "seed"), [("t5", 8), ("llama", 1)])
def test_bfloat16_writes_the_same_with_the_cache_as_without(family, seed):
    """The prompt stays float32 and meets the backbone in its dtype.

    With these prompts the logits of the best two tokens are further apart than processors round them, at every step.
    """
    backbone, prompt, inputs = make(family, seed=seed)
    backbone.model.to(torch.bfloat16)
    with torch.no_grad():
        batch = make_lm_batch(family)
        assert backbone(batch, prompt(3), "logits").logits_BTV.dtype == torch.bfloat16
    for way in ("greedy", "beams"):
        cached = generate(backbone, inputs, prompt, **WAYS[way])
        assert cached.tolist() == generate(backbone, inputs, prompt, use_cache=False, **WAYS[way]).tolist()
    assert all(parameter.dtype == torch.float32 for parameter in prompt.parameters())


@pytest.mark.slow
def test_compiled_as_not_compiled():
    """Logits, gradients and texts, with one layer."""
    backbone, batch = make_lm_backbone("llama", num_hidden_layers=1), make_lm_batch("llama")
    prompt = make_lm_prompt(backbone, std=0.5)
    inputs = make("llama")[2]

    def measure() -> tuple[Tensor, Tensor, list[list[int]]]:
        prompt.zero_grad()
        logits = backbone(batch, prompt(3), "logits").logits_BTV[batch["attention_mask"] == 1]
        logits.square().mean().backward()
        gradients = torch.cat([row.grad.flatten() for row in prompt.rows.rows])
        return logits.detach(), gradients, generate(backbone, inputs, prompt, max_new_tokens=4).tolist()

    plain = measure()
    backbone.model.compile(dynamic=True)
    compiled = measure()
    for ours, expected in zip(compiled[:2], plain[:2], strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    assert compiled[2] == plain[2]
