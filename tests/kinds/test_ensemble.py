"""Answers of several prompts to the same rows: the mean of their probabilities, or the answer of most of them."""

from types import SimpleNamespace

import pytest
import torch

from ptv2.config.schema import HeadConfig
from ptv2.kinds import KINDS

STUB = SimpleNamespace(width=8, is_causal=False, has_pooler=False)


def head(kind, classes=3):
    return KINDS[kind].head(HeadConfig(), STUB, classes)


def logits_of(probabilities):
    return torch.tensor(probabilities).log()


# Two of three members prefer the first label, slightly; the third is sure of the second.
MEMBERS = [logits_of([[0.5, 0.4, 0.1]]), logits_of([[0.5, 0.4, 0.1]]), logits_of([[0.02, 0.96, 0.02]])]


def test_one_label():
    cls = head("cls")
    (mean,) = cls.decode(cls.joint(MEMBERS, {}, "mean"), {}, ["a", "b", "c"])
    assert mean["label"] == "b" and mean["scores"] == pytest.approx({"a": 0.34, "b": 1.76 / 3, "c": 0.22 / 3})
    (vote,) = cls.decode(cls.joint(MEMBERS, {}, "majority"), {}, ["a", "b", "c"])
    assert vote["label"] == "a" and sum(vote["scores"].values()) == pytest.approx(1)


def test_a_tie_of_votes_goes_to_the_larger_mean():
    cls = head("cls")
    (vote,) = cls.decode(cls.joint(MEMBERS[1:], {}, "majority"), {}, ["a", "b", "c"])
    assert vote["label"] == "b"


def test_the_loss_of_a_joint_answer_is_finite_where_no_member_voted_for_the_label():
    cls, members = head("cls"), [torch.tensor([[0.0, -1e4, -1e4]])] * 2
    for vote in cls.votes:
        assert cls.loss(cls.joint(members, {}, vote), {"labels": torch.tensor([1])}).isfinite()


def test_several_labels():
    multilabel = head("multilabel", 2)
    members = [torch.tensor([0.6, 0.6]).logit()[None], torch.tensor([0.6, 0.3]).logit()[None]]
    members.append(torch.tensor([0.1, 0.7]).logit()[None])
    (mean,) = multilabel.decode(multilabel.joint(members, {}, "mean"), {}, ["a", "b"])
    assert mean["scores"] == pytest.approx({"a": 1.3 / 3, "b": 1.6 / 3}) and mean["labels"] == ["b"]
    (vote,) = multilabel.decode(multilabel.joint(members, {}, "majority"), {}, ["a", "b"])
    assert vote["labels"] == ["a", "b"]


def test_tags_are_joined_word_by_word():
    tagging, batch = head("tagging", 2), {"first_pieces": [{0: 1, 1: 2}]}
    members = [torch.randn(1, 4, 2) for _ in range(3)]
    mean_BTC = torch.stack([m.softmax(-1) for m in members]).mean(0)
    (tags,) = tagging.decode(tagging.joint(members, batch, "mean"), batch, ["O", "B"])
    assert tags["tags"] == {word: "OB"[int(mean_BTC[0, word + 1].argmax())] for word in (0, 1)}


def test_choices_are_joined_within_their_row():
    choice, batch = head("choice"), {"choices_B": torch.tensor([2, 3])}
    members = [torch.randn(5, 1) for _ in range(3)]
    for row, at in enumerate((slice(0, 2), slice(2, 5))):
        mean = torch.stack([m[at, 0].softmax(0) for m in members]).mean(0)
        decoded = choice.decode(choice.joint(members, batch, "mean"), batch, [])[row]
        assert list(decoded["scores"].values()) == pytest.approx(mean.tolist(), abs=1e-6)


def test_numbers_are_averaged_and_have_no_majority():
    regression = head("regression", 1)
    joint = regression.joint([torch.tensor([[1.0]]), torch.tensor([[4.0]])], {}, "mean")
    assert regression.decode(joint, {}, []) == [{"value": 2.5}] and regression.votes == ("mean",)


def test_texts_and_places_are_not_joined():
    assert {kind for kind, made in KINDS.items() if not made.head.votes} == {"span", "seq2seq"}
