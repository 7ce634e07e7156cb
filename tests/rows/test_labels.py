import pytest

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.rows.labels import Labels, labels_for


def card(labels=None, kind="cls"):
    return TaskCard(name="example", kind=kind, labels=labels)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([2, 0, 2], ["0", "1", "2"]),
        ([1.0, 0.0, None], ["0", "1"]),  # a column of numbers with a gap
        ([True, False], ["0", "1"]),
        (["a", None, "", "b"], ["a", "b"]),  # rows without a label are refused by their line
        (["10", "9"], ["10", "9"]),
    ],
)
def test_names_come_from_the_training_rows(values, names):
    assert labels_for(card(), values).names == names


def test_names_of_the_card_keep_their_order():
    assert labels_for(card(["yes", "no"]), ()).names == ["yes", "no"]


def test_outside_comes_first_in_tagging():
    assert labels_for(card(kind="tagging"), ["B-PER", "O", "I-PER"]).names == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize("values", [[], ["a"], ["a", "a"], [None, "a"]])
def test_one_label_is_nothing_to_learn(values):
    with pytest.raises(UserError, match=r"example\.label: the training rows hold [01] label"):
        labels_for(card(), values)


@pytest.mark.parametrize(("value", "id"), [("yes", 1), (1, 1), (1.0, 1), (True, 1), ("no", 0), (0, 0)])
def test_a_row_holds_a_name_or_an_id(value, id):
    assert Labels(["no", "yes"], "card 'example'").id(value, "a.jsonl:1") == id


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yess", r"unknown label 'yess' for card 'example'; did you mean 'yes'\?"),
        (2, "unknown label '2' for card 'example'; valid: no, yes"),
        (-1, r"unknown label '-1' \(-1 marks hidden test labels\)"),
        (0.5, "unknown label '0.5'"),
        ("1", "unknown label '1'"),
        (None, "unknown label 'None'"),
    ],
)
def test_any_other_value_is_refused_with_its_place(value, says):
    with pytest.raises(UserError, match=rf"^a\.jsonl:1: {says}"):
        Labels(["no", "yes"], "card 'example'").id(value, "a.jsonl:1")
