"""Prompt dropout: a mask per example, as the official code after its expansion to the batch, or one for the batch."""

import pytest
import torch
from families import make_backbone, make_prompt
from torch import Tensor

ROWS = 64


def dropped(per: str, **config) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of a long prompt in train mode, in units of what they are in eval mode."""
    prompt = make_prompt(make_backbone("bert"), length=20, dropout=0.25, dropout_per=per, **config)
    plain = prompt(ROWS).sites
    torch.manual_seed(0)
    return [
        (ours.key_BGPD / whole.key_BGPD, ours.value_BGPE / whole.value_BGPE)
        for ours, whole in zip(prompt.train()(ROWS).sites, plain, strict=True)
    ]


@pytest.mark.parametrize("form", ["kv", "hidden"])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_a_quarter_is_dropped_and_the_rest_scaled(per, form):
    for states in (states for pair in dropped(per, form=form) for states in pair):
        zero = states == 0
        assert zero.float().mean().item() == pytest.approx(0.25, abs=0.05)
        torch.testing.assert_close(states[~zero], torch.full_like(states[~zero], 1 / 0.75))


def test_per_example_every_row_has_a_mask_of_its_own():
    masks = [states == 0 for pair in dropped("example") for states in pair]
    assert {mask.shape[0] for mask in masks} == {ROWS}
    for mask in masks:
        assert len({tuple(row.flatten().tolist()) for row in mask}) == ROWS


def test_per_batch_all_rows_share_one():
    masks = [states == 0 for pair in dropped("batch") for states in pair]
    assert {mask.shape[0] for mask in masks} == {1}
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == len(masks)  # layers, keys and values differ


@pytest.mark.parametrize("per", ["example", "batch"])
def test_there_is_none_in_eval_mode(per):
    prompt = make_prompt(make_backbone("bert"), dropout=0.5, dropout_per=per)
    for first, second in zip(prompt(3).sites, prompt(3).sites, strict=True):
        assert torch.equal(first.key_BGPD, second.key_BGPD)
        assert first.key_BGPD.all()
