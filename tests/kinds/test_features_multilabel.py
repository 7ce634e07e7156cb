"""Multi-label classification: lists of names or ids, vectors of 0 and 1."""

from dataclasses import replace

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
    return KINDS["multilabel"].features(card, tokenizer, Labels(NAMES, "card 'moods'", by_id=True))


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
    read = KINDS["multilabel"].features.label_values
    values = [value for moods in (["joy"], [], ["fear", "joy"]) for value in read(moods, "moods", where)]
    assert labels_for(card, values).names == ["fear", "joy"]


def of(tokenizer, card, names, by_id=False):
    return KINDS["multilabel"].features(card, tokenizer, Labels(names, "card 'moods'", by_id))


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(
    ("vector", "named"),
    [
        ([1, 0, 0], ["joy"]),
        ([0, 1, 1], ["fear", "anger"]),
        ([0.0, 0.0, 1.0], ["anger"]),
        ([True, False, True], ["joy", "anger"]),
        ([0, 0, 0], []),
    ],
)
def test_a_zero_or_one_for_each_label_is_a_vector(card, tokenizer, vector, named, by_id):
    assert of(tokenizer, card, NAMES, by_id).reference({"moods": vector}) == named


def test_a_vector_of_two_is_one_unless_it_may_be_ids(card, tokenizer):
    assert of(tokenizer, card, ["no", "yes"]).reference({"moods": [0, 1]}) == ["yes"]
    assert of(tokenizer, card, ["no", "yes"], by_id=True).reference({"moods": [1]}) == ["yes"]
    with pytest.raises(UserError, match=r"holds \[0, 1\], which may be two ids or a 0 or 1 for each label; write"):
        of(tokenizer, card, ["no", "yes"], by_id=True).encode({"text": "the cat", "moods": [0, 1]}, where)


def test_numbers_are_names_first(card, tokenizer):
    kind = of(tokenizer, card, ["1", "2", "3"])
    assert [kind.reference({"moods": moods}) for moods in ([1], [1, 2], ["3"])] == [["1"], ["1", "2"], ["3"]]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([0, 1, 0], "the label 0 appears twice in field 'moods'; .* name the labels in the card"),
        (["joy", None], r"field 'moods\[1\]' does not hold a label"),
        ([["joy"]], r"field 'moods\[0\]' holds a list, not one label"),
        ([{"name": "joy"}], r"field 'moods\[0\]' holds an object, not one label"),
        (1, "field 'moods' does not hold a list of labels"),
    ],
)
def test_labels_are_collected_from_lists_of_names_alone(value, says):
    with pytest.raises(UserError, match=rf"^rows\.jsonl:3: {says}"):
        KINDS["multilabel"].features.label_values(value, "moods", where)


def test_the_baseline_is_what_most_rows_have(kind):
    assert kind.baseline([["joy", "fear"], ["joy"], []], [["fear"]] * 2) == [["joy"], ["joy"]]
    assert kind.baseline([["joy"], ["fear"], ["anger"], ["joy"]], [[]]) == [["joy"]]
    assert kind.baseline([[], []], [["joy"]]) == [[]]


@pytest.mark.parametrize(
    ("moods", "message"),
    [
        ("joy", "field 'moods' does not hold a list of labels"),
        (None, "field 'moods' does not hold a list of labels"),
        (["joi"], "unknown label 'joi' for card 'moods'; did you mean 'joy'?"),
        ([3], "unknown label '3'"),
    ],
)
def test_bad_labels(kind, moods, message):
    with pytest.raises(UserError) as error:
        kind.encode({"text": "the cat", "moods": moods}, where)
    assert str(error.value).startswith("rows.jsonl:3: ") and message in str(error.value)


@pytest.mark.parametrize("vector", [[0, 1], [1, 0], [1.0, 0.0]])
def test_two_numbers_are_no_labels_where_only_0_and_1_occur(tokenizer, card, vector):
    with pytest.raises(UserError, match="may be two labels or a 0 or 1 for each of two; name the labels"):
        of(tokenizer, card, ["0", "1"]).encode({"text": "a", "moods": vector}, where)
    named = replace(card, labels=["0", "1"])
    assert of(tokenizer, named, ["0", "1"]).encode({"text": "a", "moods": vector}, where)[0]["labels"] == [1, 1]
