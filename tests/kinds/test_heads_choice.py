"""Heads of multiple choice, cloze questions and multi-label classification on states made by hand."""

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from ptv2.backbone import States
from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS
from ptv2.kinds.choice import by_row

COUNTS = torch.tensor([2, 4, 3])


def head(kind, classes=1):
    torch.manual_seed(0)
    return KINDS[kind].head(HeadConfig(dropout=0.0), SimpleNamespace(width=8, is_causal=False), classes)


def states(rows):
    torch.manual_seed(1)
    return States(torch.randn(rows, 5, 8), torch.ones(rows, 5))


def test_scores_are_compared_within_a_row():
    logits = torch.arange(9.0)[:, None]
    rows = by_row(logits, COUNTS)
    assert rows.tolist() == [[0, 1, -math.inf, -math.inf], [2, 3, 4, 5], [6, 7, 8, -math.inf]]


def test_a_choice_batch_is_each_row_alone():
    made = head("choice")
    logits, labels = made(states(9)).detach().requires_grad_(), torch.tensor([1, 2, 0])
    assert logits.shape == (9, 1)
    batch = {"choices_B": COUNTS, "labels": labels}
    loss = made.loss(logits, batch)
    loss.backward()
    alone = [F.cross_entropy(part[:, 0], label) for part, label in zip(logits.split([2, 4, 3]), labels, strict=True)]
    assert torch.allclose(loss, sum(alone) / 3)
    assert logits.grad.isfinite().all() and (logits.grad != 0).all()
    decoded = made.decode(logits.detach(), batch, [])
    for output, part in zip(decoded, logits.detach().split([2, 4, 3]), strict=True):
        assert output["index"] == part[:, 0].argmax()
        assert list(output["scores"].values()) == pytest.approx(part[:, 0].softmax(0).tolist())
        assert list(output["scores"]) == [str(i) for i in range(len(part))]


def test_an_entity_is_scored_with_its_number():
    made = head("cloze")
    logits = made(states(3)).detach()
    assert logits.shape == (3, 2)
    decoded = made.decode(logits, {"entity_B": torch.tensor([2, 0, 1])}, [])
    assert [output["entity"] for output in decoded] == [2, 0, 1]
    assert [output["yes"] for output in decoded] == pytest.approx(logits.softmax(-1)[:, 1].tolist())
    labels = torch.tensor([0, 1, 0])
    assert torch.equal(made.loss(logits, {"labels": labels}), F.cross_entropy(logits, labels))


def test_labels_hold_above_a_half():
    made = head("multilabel", classes=3)
    logits = torch.tensor([[2.0, 0.0, 0.1], [-1.0, -2.0, -3.0]])
    decoded = made.decode(logits, {}, ["joy", "fear", "anger"])
    assert [output["labels"] for output in decoded] == [["joy", "anger"], []]
    assert decoded[0]["scores"]["fear"] == 0.5
    labels = torch.tensor([[1.0, 0, 0], [0, 1, 1]])
    wanted = F.binary_cross_entropy(logits.sigmoid(), labels)
    assert made.loss(logits, {"labels": labels}).item() == pytest.approx(wanted.item())
    assert made(states(2)).shape == (2, 3)
