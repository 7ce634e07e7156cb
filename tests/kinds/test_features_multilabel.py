"""Multi-label classification: lists of names or ids."""

import pytest
import torch

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.rows.labels import Labels, labels_for

NAMES = ["joy", "fear", "anger"]


def where() -> str:
    return "rows.jsonl:3"


@pytest.fixture
def card():
    keys = {"dataset": {"path": "json"}, "inputs": {"text": "text"}, "label": "moods", "metrics": ["micro_f1"]}
    return make_card({"name": "moods", "kind": "multilabel", **keys})


@pytest.fixture
def kind(card, tokenizer):
    return KINDS["multilabel"].features(card, tokenizer, Labels(NAMES, "card 'moods'"))


@pytest.mark.parametrize(
    ("moods", "wanted"), [(["anger", "joy"], [1, 0, 1]), ([1], [0, 1, 0]), ([], [0, 0, 0]), (["joy", 0], [1, 0, 0])]
)
def test_names_and_ids_become_ones(kind, moods, wanted):
    row = {"text": "the cat", "moods": moods}
    assert kind.encode(row, where)[0]["labels"] == wanted
    assert kind.reference(row) == [name for name, one in zip(NAMES, wanted, strict=True) if one]


def test_a_batch_has_a_number_per_label(kind):
    rows = [{"text": "the cat", "moods": ["joy"]}, {"text": "a dog eats", "moods": []}]
    batch = kind.collate([kind.encode(row, where)[0] | {"row": i} for i, row in enumerate(rows)])
    assert torch.equal(batch["labels"], torch.tensor([[1.0, 0, 0], [0, 0, 0]]))


def test_names_come_from_the_training_rows(card):
    values = KINDS["multilabel"].features.label_values(card, {"moods": [["joy"], [], ["fear", "joy"]]})
    assert labels_for(card, values).names == ["fear", "joy"]


def test_the_baseline_is_what_most_rows_have(kind):
    assert kind.baseline([["joy", "fear"], ["joy"], []], [["fear"]] * 2) == [["joy"], ["joy"]]
    assert kind.baseline([["joy"], ["fear"], ["anger"], ["joy"]], [[]]) == [["joy"]]
    assert kind.baseline([[], []], [["joy"]]) == [[]]


@pytest.mark.parametrize(
    ("moods", "message"),
    [
        ("joy", "field 'moods' holds no list of labels"),
        (None, "field 'moods' holds no list of labels"),
        (["joi"], "unknown label 'joi' for card 'moods'; did you mean 'joy'?"),
        ([3], "unknown label '3'"),
    ],
)
def test_bad_labels(kind, moods, message):
    with pytest.raises(UserError) as error:
        kind.encode({"text": "the cat", "moods": moods}, where)
    assert str(error.value).startswith("rows.jsonl:3: ") and message in str(error.value)
