from itertools import product
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ptv2.backbone import States
from ptv2.config.schema import HeadConfig
from ptv2.kinds.span.head import SpanHead

B, T, D = 3, 12, 8


@pytest.fixture
def head():
    torch.manual_seed(0)
    return SpanHead(HeadConfig(dropout=0.0), SimpleNamespace(width=D), 1).eval()


def batch(n_best=20, max_answer_tokens=4):
    """Windows of 12, 12 and 9 tokens: special tokens, a question of two, and a context with tokens of 3 characters."""
    offsets = torch.full((B, T, 2), -1)
    mask = torch.ones(B, T, dtype=torch.long)
    mask[2, 9:] = 0
    for i, last in enumerate([11, 11, 8]):
        columns = torch.arange(4, last)
        offsets[i, columns] = torch.stack([columns * 4, columns * 4 + 3], -1)
    return {
        "offsets": offsets,
        "attention_mask": mask,
        "first": torch.zeros(B, dtype=torch.long),
        "labels": torch.tensor([[5, 7], [0, 0], [4, 4]]),
        "n_best": n_best,
        "max_answer_tokens": max_answer_tokens,
    }


def by_hand(logits_T2, offsets_T2, most):
    """Every allowed span of a window, best first."""
    inside = [t for t in range(T) if offsets_T2[t, 0] >= 0]
    spans = [
        (int(offsets_T2[a, 0]), int(offsets_T2[b, 1]), float(logits_T2[a, 0] + logits_T2[b, 1]))
        for a, b in product(inside, inside)
        if a <= b < a + most
    ]
    return sorted(spans, key=lambda span: -span[2])


@pytest.mark.parametrize(("n_best", "most"), [(20, 4), (3, 4), (20, 1), (200, 30)])
def test_decoding_finds_the_best_spans_of_those_that_are_allowed(head, n_best, most):
    torch.manual_seed(1)
    logits, inputs = torch.randn(B, T, 2), batch(n_best, most)
    decoded = head.decode(logits, inputs, [])
    for i, output in enumerate(decoded):
        expected = by_hand(logits[i], inputs["offsets"][i], most)[:n_best]
        assert [span[:2] for span in output["spans"]] == [span[:2] for span in expected]
        assert [span[2] for span in output["spans"]] == pytest.approx([span[2] for span in expected])
        assert output["null"] == pytest.approx(logits[i, 0].sum().item())


def test_the_null_score_is_that_of_the_first_token_where_the_padding_is_on_the_left(head):
    logits, inputs = torch.randn(B, T, 2), batch()
    inputs["first"] = torch.tensor([0, 2, 5])
    nulls = [output["null"] for output in head.decode(logits, inputs, [])]
    assert nulls == pytest.approx([logits[i, f].sum().item() for i, f in enumerate([0, 2, 5])])


def test_the_loss_is_the_mean_of_start_and_end(head):
    logits, inputs = torch.randn(B, T, 2), batch()
    start, end = inputs["labels"].unbind(-1)
    expected = (F.cross_entropy(logits[..., 0], start) + F.cross_entropy(logits[..., 1], end)) / 2
    torch.testing.assert_close(head.loss(logits, inputs), expected)


def test_padding_changes_neither_loss_nor_spans(head):
    torch.manual_seed(2)
    inputs, states = batch(), torch.randn(B, T, D)
    alone = {k: v[2:] if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
    alone = {k: v[:, :9] if k in ("offsets", "attention_mask") else v for k, v in alone.items()}
    together = head(States(states, inputs["attention_mask"]))[2:]
    apart = head(States(states[2:, :9], alone["attention_mask"]))
    third = alone | {"offsets": inputs["offsets"][2:]}
    torch.testing.assert_close(head.loss(together, third), head.loss(apart, alone))
    assert head.decode(together, third, []) == head.decode(apart, alone, [])


def test_what_was_tuned_is_kept_in_the_state(head):
    head.tuned.fill_(1.25)
    other = SpanHead(HeadConfig(), SimpleNamespace(width=D), 1)
    other.load_state_dict(head.state_dict())
    assert {output["tuned"] for output in other.decode(torch.randn(B, T, 2), batch(), [])} == {1.25}
    assert head.out.out_features == 2
