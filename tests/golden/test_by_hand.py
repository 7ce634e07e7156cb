"""The injector gives what keys and values concatenated by hand give, in a textbook's softmax attention.

The reference is an attention function of this file, registered with transformers under a name of its own and run on a
model that ptv2 never touched. It counts calls, so it knows the depth where a family reuses one module (ALBERT).
"""

from collections.abc import Iterator

import pytest
import torch
from deberta_by_hand import join_by_hand
from families import (
    DEPTH,
    FAMILIES,
    HEADS,
    make_backbone,
    make_batch,
    make_model,
    random_rows,
    real,
    site_prompts,
    split_heads,
)
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from ptv2.backbone import Injection, SitePrompt

KeysValues = tuple[Tensor, Tensor]


class Textbook:
    """softmax(q k^T / sqrt(d)) v with the next layer's given keys and values in front."""

    given: Iterator[KeysValues] = iter(())

    def __call__(self, module, query, key, value, attention_mask, **_):
        given_key, given_value = next(self.given)
        batch, P = len(query), given_key.shape[2]
        key = torch.cat([given_key.expand(batch, -1, -1, -1), key], dim=2)
        value = torch.cat([given_value.expand(batch, -1, -1, -1), value], dim=2)
        scores = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
        hidden = torch.zeros_like(scores, dtype=torch.bool)
        if attention_mask is not None:
            hidden[..., P:] = ~attention_mask
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=3)
        return (weights @ value).transpose(1, 2), weights


textbook = Textbook()
AttentionInterface.register("golden_textbook", textbook)
AttentionMaskInterface.register("golden_textbook", sdpa_mask)


def by_hand(family: str, batch: dict[str, Tensor], given: list[KeysValues], **kwargs):
    """The output of an untouched model of the family with the given keys and values in its layers."""
    model = make_model(family)
    if family == "deberta-v2":  # its own code does not use the interface
        return join_by_hand(model, given)(**batch, **kwargs)
    model.set_attn_implementation("golden_textbook")
    textbook.given = iter(given)
    out = model(**batch, **kwargs)
    assert next(textbook.given, None) is None  # every layer took its own
    return out


def keys_values(vectors_PF: list[Tensor]) -> list[KeysValues]:
    return [(split_heads(row[:, : row.shape[1] // 2]), split_heads(row[:, row.shape[1] // 2 :])) for row in vectors_PF]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_injector_equals_concatenation(family, kernel):
    backbone, rows = make_backbone(family, kernel), random_rows(family)
    assert len(backbone.sites) == DEPTH[family]
    for lengths in [(9, 6, 3), (7, 7)]:  # with padding, and without: then there is no mask that could be extended
        batch = make_batch(family, lengths)
        states = backbone(batch, site_prompts(rows)).last_BTD
        expected = by_hand(family, batch, keys_values(rows)).last_hidden_state
        bare = backbone(batch).last_BTD
        torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)
        assert (real(states, batch) - real(bare, batch)).abs().max() > 0.1  # the prompt is not for show


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_equal_those_of_concatenation(family, kernel):
    batch = make_batch(family)
    ours = [row.requires_grad_() for row in random_rows(family)]
    theirs = [row.requires_grad_() for row in random_rows(family)]

    real(make_backbone(family, kernel)(batch, site_prompts(ours)).last_BTD, batch).pow(2).mean().backward()
    real(by_hand(family, batch, keys_values(theirs)).last_hidden_state, batch).pow(2).mean().backward()

    for row, expected in zip(ours, theirs, strict=True):
        assert expected.grad.abs().max() > 1e-4
        torch.testing.assert_close(row.grad, expected.grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_a_batch_can_have_prompts_of_their_own(family):
    backbone, batch = make_backbone(family), make_batch(family)
    first, second = site_prompts(random_rows(family, seed=1)), site_prompts(random_rows(family, seed=2))
    mixed = [
        SitePrompt(
            torch.cat([a.key_BGPD, b.key_BGPD, a.key_BGPD]), torch.cat([a.value_BGPE, b.value_BGPE, a.value_BGPE])
        )
        for a, b in zip(first.sites, second.sites, strict=True)
    ]
    with torch.no_grad():
        states = backbone(batch, Injection(mixed)).last_BTD
        expected = backbone(batch, first).last_BTD
        expected[1] = backbone(batch, second).last_BTD[1]
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_without_a_prompt_stays_as_it_was(family):
    """Prompts at the first and last layer alone: the others attend as by hand with nothing in front."""
    backbone, batch, rows = make_backbone(family), make_batch(family), random_rows(family)
    for row in range(1, len(rows) - 1):
        rows[row] = rows[row][:0]
    prompts = Injection([prompt if prompt.key_BGPD.shape[2] else None for prompt in site_prompts(rows).sites])
    with torch.no_grad():
        states = backbone(batch, prompts).last_BTD
        expected = by_hand(family, batch, keys_values(rows)).last_hidden_state
    torch.testing.assert_close(real(states, batch), real(expected, batch), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_eager_returns_weights_with_the_prompt_columns(family):
    backbone, batch, rows = make_backbone(family, "eager"), make_batch(family), random_rows(family, length=5)
    with torch.no_grad(), backbone.state.use(site_prompts(rows)):
        weights = backbone.model(**batch, output_attentions=True).attentions
        expected = by_hand(family, batch, keys_values(rows), output_attentions=True).attentions

    assert len(weights) == len(expected) == DEPTH[family]
    lengths = batch["attention_mask"].sum(1).tolist()
    for layer_BHTS, expected_BHTS in zip(weights, expected, strict=True):
        assert layer_BHTS.shape == (3, HEADS, 9, 5 + 9)
        assert layer_BHTS[..., :5].sum(-1).min() > 1e-4  # every query sees the prompt
        for row, length in enumerate(lengths):
            ours, theirs = layer_BHTS[row, :, :length], expected_BHTS[row, :, :length]
            torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
            assert not ours[..., 5 + length :].any()  # and none sees padding


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_prompts_end_with_the_forward_pass(family):
    """Without prompts, the backbone and the model in it are the untouched model, to the bit."""
    backbone, batch = make_backbone(family), make_batch(family)
    expected = make_model(family)(**batch).last_hidden_state
    backbone(batch, site_prompts(random_rows(family)))
    assert torch.equal(backbone.model(**batch).last_hidden_state, expected)
    assert torch.equal(backbone(batch).last_BTD, expected)


def test_the_sliding_window_matters_here():
    """ModernBERT's local layers: with a window wider than the batch, the same prompts give other states."""
    batch, prompts = make_batch("modernbert"), site_prompts(random_rows("modernbert"))
    with torch.no_grad():
        narrow = make_backbone("modernbert")(batch, prompts).last_BTD
        wide = make_backbone("modernbert", local_attention=64)(batch, prompts).last_BTD
    assert (narrow[0] - wide[0]).abs().max() > 0.1
