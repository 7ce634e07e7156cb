"""A label is a name before it is an id."""

import warnings

import pytest

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.rows.labels import Labels, check_by_id, check_numbers, labels_for


def card(labels=None, **keys):
    return TaskCard(name="example", kind="cls", labels=labels, **keys)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([2, 0, 2], ["0", "2"]),  # the numbers that occur, none between them
        ([5, 1, 3], ["1", "3", "5"]),
        ([10, 9, 100], ["9", "10", "100"]),
        ([2019, 4711, 31], ["31", "2019", "4711"]),
        (["10", "9", "100"], ["9", "10", "100"]),  # as in a CSV file
        (["1.0", "-1", "+1.5", "1e-07"], ["-1", "1e-07", "1.0", "+1.5"]),
        ([1e-07, 0.5, 1e20], ["1e-07", "0.5", "100000000000000000000"]),
        (["10", 9], ["9", "10"]),
        (["007", "12"], ["007", "12"]),
        ([1, "1.0", 2], ["1.0", "2"]),  # one number in two spellings is what the text says
        ([True, "True", "FALSE", False], ["FALSE", "True"]),
        (["1", "1.0", 1, 2], ["1", "1.0", "2"]),  # two texts are two labels
        ([1.0, 0.0, None], ["0", "1"]),  # a column of numbers with a gap
        ([1.0, float("nan"), 2.0], ["1", "2"]),
        ([1.0, 1.5, 0.5], ["0.5", "1", "1.5"]),
        ([-2, -1, 0, 1], ["-2", "-1", "0", "1"]),
        ([-0.5, -1.0, 1.0], ["-1", "-0.5", "1"]),
        ([1, -1], ["-1", "1"]),
        ([True, False], ["false", "true"]),
        (["True", "False"], ["False", "True"]),
        (["a", None, "", " ", "b"], ["a", "b"]),  # rows without a label are refused by their line
        (["5", 5, "4"], ["4", "5"]),
        (["00123", "123"], ["00123", "123"]),
    ],
)
def test_names_come_from_the_training_rows(values, names):
    labels = labels_for(card(), values)
    assert labels.names == names
    for value in values:
        if value not in (None, "", " ") and value == value:
            assert labels.id(value, "a.jsonl:1") in range(len(names))


@pytest.mark.parametrize("values", [[-1, 0, 1], [0, 1, -1, 2], ["-1", "0", "1"], [-1.0, 0.0, 1.0]])
def test_minus_one_may_be_a_class_or_no_label(values):
    with pytest.raises(UserError, match=r"^example\.label: .* -1, .*; list the classes .* labels: \['-1', '0', '1'"):
        labels_for(card(), values)


def test_names_of_the_card_keep_their_order():
    assert labels_for(card(["yes", "no"]), ()).names == ["yes", "no"]


def test_the_first_name_may_be_chosen():
    assert labels_for(card(), ["B-PER", "O", "I-PER"], first="O").names == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize("values", [[], ["a"], ["a", "a"], [None, "a"], [3, 3.0, "3"]])
def test_one_label_is_nothing_to_learn(values):
    with pytest.raises(UserError, match=r"example\.label: the training rows hold [01] label"):
        labels_for(card(), values)


@pytest.mark.parametrize(
    ("names", "value", "name"),
    [
        (["no", "yes"], "yes", "yes"),
        (["1", "2", "3"], 1, "1"),
        (["1", "2", "3"], 1.0, "1"),
        (["1", "2", "3"], "1.0", "1"),
        (["0", "1"], 1, "1"),
        (["1.0", "1.5"], 1, "1.0"),
        (["1.0", "1.5"], 1.5, "1.5"),
        (["-1", "+1"], 1, "+1"),
        (["-1", "1"], "+1", "1"),
        (["0.50", "1"], 0.5, "0.50"),
        (["-1", "0", "1"], -1, "-1"),
        (["True", "False"], True, "True"),
        (["True", "False"], False, "False"),
        (["true", "false"], "TRUE", "true"),
        (["FALSE", "TRUE"], True, "TRUE"),
        (["007", "7"], "007", "007"),
        (["007", "7"], 7, "7"),
    ],
)
@pytest.mark.parametrize("by_id", [False, True])
def test_a_value_is_the_name_that_is_its_text(names, value, name, by_id):
    labels = Labels(names, "card 'example'", by_id)
    assert labels.names[labels.id(value, "a.jsonl:1")] == name and value in labels


@pytest.mark.parametrize(("value", "id"), [(1, 1), (1.0, 1), ("1", 1), ("1.0", 1), (0, 0), ("yes", 1)])
def test_an_id_is_taken_where_the_card_says_so(value, id):
    assert Labels(["no", "yes"], "card 'example'", by_id=True).id(value, "a.jsonl:1") == id


@pytest.mark.parametrize("value", [0, 1, 1.0, "1"])
def test_a_number_is_no_id_unless_the_card_says_so(value):
    with pytest.raises(UserError, match="set label_ids: true in the card"):
        Labels(["no", "yes"], "card 'example'").id(value, "a.jsonl:1")


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yess", r"unknown label 'yess' for card 'example'; did you mean 'yes'\?"),
        (2, "unknown label '2' for card 'example'"),
        (-1, r"unknown label '-1' \(-1 marks hidden test labels\)"),
        (0.5, "unknown label '0.5'"),
        (True, "unknown label 'true' .* name the labels 'false' and 'true'"),
        ("01", "unknown label '01'"),
        ("Yes", ".*; 'yes' differs only in spaces, case or Unicode form: write one"),
        ("yes ", ".*; 'yes' differs only in spaces"),
        (None, "unknown label 'None'"),
    ],
)
def test_any_other_value_is_refused_with_its_place(value, says, by_id):
    with pytest.raises(UserError, match=rf"^a\.jsonl:1: {says}"):
        Labels(["no", "yes"], "card 'example'", by_id).id(value, "a.jsonl:1")


def test_names_that_are_one_number_are_told_apart_by_their_text_alone():
    labels = Labels(["1", "1.0", "1.00"], "card 'example'")
    assert [labels.id(value, "here") for value in (1, "1.0", "1.00")] == [0, 1, 2]
    with pytest.raises(UserError, match=r"unknown label '1.000'"):
        labels.id("1.000", "here")


@pytest.mark.parametrize("values", [[0, 1, 2], ["0", "3"], [4.0, 0.0]])
def test_numbers_that_may_be_names_or_ids_are_refused(values):
    with pytest.raises(UserError, match=r"the label 0 is not a name but may be the id of '1'.*; write the names"):
        check_numbers(Labels(["1", "2", "3", "4", "5"], "card 'example'"), lambda: values)


@pytest.mark.parametrize(
    ("names", "values"),
    [(["1", "2", "3"], [1, 2, 3]), (["1", "2", "3"], [7]), (["0", "1", "2"], [0, 2]), (["no", "yes"], [0, 1])],
)
def test_numbers_that_are_names_or_unknown_are_left_to_their_rows(names, values):
    check_numbers(Labels(names, "card 'example'"), lambda: values)


@pytest.mark.parametrize("names", [["1", "2", "3"], ["1", "one"], ["1.0", "0.0"]])
def test_ids_of_labels_that_are_other_numbers_are_refused(names):
    with pytest.raises(UserError, match=r"^example\.label_ids: the label '.*' is a number and has the id"):
        check_by_id(card(names, label_ids=True), names)
    check_by_id(card(names), names)


@pytest.mark.parametrize("names", [["0", "1"], ["100", "101"], ["no", "yes"], ["0.5", "1.5"]])
def test_ids_of_other_labels_are_clear(names):
    check_by_id(card(names, label_ids=True), names)


@pytest.mark.parametrize(
    ("twins", "how"),
    [
        (("joy", "Joy"), "spaces or case"),
        (("joy", "joy "), "spaces or case"),
        (("a b", "a  b"), "spaces or case"),
        (("1", "1.0"), "the spelling of a number or truth value"),
        (("True", "true"), "the spelling of a number or truth value"),
        (("ﬁne", "fine"), "Unicode form"),
        (("caf\u00e9", "cafe\u0301"), "Unicode form"),
    ],
)
def test_labels_that_are_probably_one_are_named(twins, how):
    with pytest.warns(UserWarning, match=f"example: the labels '{twins[0]}' and '{twins[1]}' differ only in {how}"):
        labels_for(card([*twins, "other"]))


def test_labels_that_differ_otherwise_are_not():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels_for(card(["joy", "joys", "fear"]))
