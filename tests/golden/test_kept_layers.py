"""`backbone.memory_budget`: what layers keep is counted, and as few of them are recomputed as fit."""

import pytest
import torch
from families import DEPTH, FAMILIES, make_backbone, make_batch, make_prompt, open_gates, real
from seq2seq_models import make_lm_backbone, make_lm_batch, make_lm_prompt

from ptv2.backbone.checkpointing import layers_of
from ptv2.backbone.kept import Kept, counting, peak, recomputed

LAYERS = [Kept(40, 10), Kept(50, 10), Kept(60, 10)]


@pytest.mark.parametrize(
    ("budget", "count", "kept"),
    [
        (1000, 0, 150),
        (150, 0, 150),  # exactly as much as is kept
        (149, 1, 120),  # 10 enters the first, the others are kept whole
        (119, 2, 80),
        (79, 3, 90),  # does not fit: all are recomputed, the largest one at a time
        (1, 3, 90),
    ],
)
def test_as_few_layers_as_fit(budget, count, kept):
    assert recomputed(LAYERS, budget) == count
    assert peak(LAYERS, count) == kept


def test_nothing_to_recompute():
    assert recomputed([], 1) == 0
    assert peak([], 0) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_tells_what_a_batch_keeps(family):
    """So many rows keep so many times as much, but for what all rows share."""
    backbone = make_backbone(family).train()
    prompt, found = make_prompt(backbone), {}
    for rows in (1, 4):
        batch = make_batch(family, (9,) * rows)
        with counting(backbone, layers_of(backbone.model)) as found[rows]:
            states = backbone(batch, prompt(rows))
        assert real(states.last_BTD, batch).requires_grad
    for one, four in zip(found[1], found[4], strict=True):
        assert 0 < one.entering <= one.whole
        assert four.entering == 4 * one.entering
        assert 3 * one.whole < four.whole <= 4 * one.whole


def test_layers_below_the_lowest_prompt_keep_nothing():
    backbone = make_backbone("bert").train()
    prompt = make_prompt(backbone, layers="top:1")
    with counting(backbone, layers_of(backbone.model)) as found:
        states = backbone(make_batch("bert"), prompt(3))
    assert states.last_BTD.requires_grad
    assert [layer.whole > 0 for layer in found] == [False, False, True]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_some_layers_recomputed_give_the_same_gradients(family, count):
    found, calls = [], []
    for chosen in (0, count):
        backbone, seen = make_backbone(family).train(), []
        prompt, batch = open_gates(make_prompt(backbone), 0.5), make_batch(family)
        layers = layers_of(backbone.model)
        if chosen:
            backbone.enable_gradient_checkpointing(chosen=layers[:chosen])
        torch.manual_seed(7)
        with backbone.state.recording(seen.append):
            real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
        calls.append(len(seen))
    assert calls[1] == calls[0] + count * DEPTH[family] // len(layers)
    for gradient, wanted in zip(*found, strict=True):
        assert wanted.abs().max() > 0
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["t5", "bart", "llama"])
def test_some_layers_of_a_language_model(family):
    found, calls = [], []
    for count in (0, 1, 3):
        backbone, seen = make_lm_backbone(family).train(), []
        prompt, batch = make_lm_prompt(backbone), make_lm_batch(family)
        batch.setdefault("labels", batch["input_ids"])
        layers = layers_of(backbone.model)
        backbone.enable_gradient_checkpointing(chosen=layers[:count])
        torch.manual_seed(7)
        with backbone.state.recording(seen.append):
            backbone(batch, prompt(3), "targets").nll_BT.mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
        calls.append(len(seen))
    assert calls[0] < calls[1] < calls[2] or (family == "llama" and calls[0] < calls[1])
    for others in found[1:]:
        for gradient, wanted in zip(others, found[0], strict=True):
            torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-5)
