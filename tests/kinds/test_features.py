"""Texts, pairs and tagged words as features and batches."""

import copy

import pytest

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE
from ptv2.rows.arrays import Columns
from ptv2.rows.labels import Labels


def features(tokenizer, kind="cls", inputs=None, names=("no", "yes"), **keys):
    inputs = inputs or ({"tokens": "tokens"} if kind == "tagging" else {"text": "text"})
    card = make_card(
        {
            "name": "example",
            "kind": kind,
            "dataset": {"path": "json"},
            "inputs": inputs,
            "metrics": ["accuracy"],
            **keys,
        }
    )
    return KINDS[kind].features(
        card, tokenizer, Labels(list(names), "card 'example'") if kind != "regression" else None
    )


def encode(kind, row, **keys):
    (feature,) = kind.encode(row, lambda: "a.jsonl:1", **keys)
    return feature


def tokens(tokenizer, feature):
    return tokenizer.convert_ids_to_tokens(feature["input_ids"])


def test_a_text_and_its_label(tokenizer):
    feature = encode(features(tokenizer), {"text": "the cat", "label": "yes"})
    assert tokens(tokenizer, feature) == ["[CLS]", "the", "cat", "[SEP]"]
    assert feature["labels"] == 1
    assert "labels" not in encode(features(tokenizer), {"text": "the cat"}, labelled=False)


def test_a_pair_is_told_apart_by_token_types(tokenizer):
    kind = features(tokenizer, inputs={"text": "a", "pair": "b"})
    feature = encode(kind, {"a": "the cat", "b": "a fig", "label": "no"})
    assert tokens(tokenizer, feature) == ["[CLS]", "the", "cat", "[SEP]", "a", "fig", "[SEP]"]
    assert feature["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]


def test_a_template_is_filled(tokenizer):
    kind = features(tokenizer, inputs={"text": "{animal} eats {fruit}"})
    assert kind.fields() == {"animal", "fruit"}
    row = {"animal": "the cat", "fruit": "a fig", "label": "no"}
    assert tokens(tokenizer, encode(kind, row))[1:-1] == ["the", "cat", "eats", "a", "fig"]


def test_a_text_is_cut_at_the_end(tokenizer):
    feature = encode(features(tokenizer, max_length=5), {"text": "the cat eats a fig", "label": "no"})
    assert tokens(tokenizer, feature) == ["[CLS]", "the", "cat", "eats", "[SEP]"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"label": "yes"}, "field 'text' is missing"),
        ({"text": "  ", "label": "yes"}, "field 'text' is empty; remove the row or give it a text"),
        ({"text": "the cat"}, "field 'label' does not hold a label"),
        ({"text": "the cat", "label": ""}, "field 'label' does not hold a label"),
        ({"text": "the cat", "label": "maybe"}, "unknown label 'maybe'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tokenizer, row, says):
    with pytest.raises(UserError, match=f"^a.jsonl:1: {says}"):
        encode(features(tokenizer), row)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        *[(label, "is '.*', not a number") for label in ("four", "4,5", "nan", "inf", "1_0", True, [4])],
        *[(label, "holds no number") for label in (None, "", " ", float("nan"))],
        *[(label, "is .*, which is too large") for label in (float("inf"), 1e39, "-1e39", 10**400)],
    ],
)
def test_a_score_is_a_number(tokenizer, label, says):
    kind = features(tokenizer, "regression")
    for number in (4, 4.0, "4", "4.0", "+4e0"):  # a cell of a CSV file is a text
        assert encode(kind, {"text": "the cat", "label": number})["labels"] == 4.0
    with pytest.raises(UserError, match=f"^a.jsonl:1: field 'label' {says}"):
        encode(kind, {"text": "the cat", "label": label})


# Tagging

WORDS, TAGS = ["Ann", "sees", "Dora", "."], ["B-PER", "O", "B-PER", "O"]
NAMES = ("O", "B-PER", "I-PER")


def test_a_label_stands_on_the_first_piece_of_its_word(tokenizer):
    feature = encode(features(tokenizer, "tagging", names=NAMES), {"tokens": WORDS, "label": TAGS})
    assert tokens(tokenizer, feature) == ["[CLS]", "ann", "sees", "d", "##o", "##r", "##a", ".", "[SEP]"]
    assert feature["labels"] == [IGNORE, 1, 0, 1, IGNORE, IGNORE, IGNORE, 0, IGNORE]
    assert (feature["words"], feature["first_pieces"]) == ([0, 1, 2, 3], [1, 2, 3, 7])


def test_words_that_are_cut_off_are_outside(tokenizer):
    kind = features(tokenizer, "tagging", names=NAMES, max_length=5)
    row = {"tokens": WORDS, "label": TAGS}
    feature = encode(kind, row)
    assert tokens(tokenizer, feature) == ["[CLS]", "ann", "sees", "d", "[SEP]"]
    decoded = [{"tags": dict.fromkeys(feature["words"], "B-PER")}]
    assert kind.prediction(row, decoded) == ["B-PER", "B-PER", "B-PER", "O"]
    assert kind.reference(row) == TAGS


def test_a_word_without_a_piece_is_outside(tokenizer):
    kind = features(tokenizer, "tagging", names=NAMES)
    row = {"tokens": ["Ann", "\u200b\x07", "sees"], "label": ["B-PER", "I-PER", "O"]}
    feature = encode(kind, row)
    assert feature["words"] == [0, 2]
    assert kind.prediction(row, [{"tags": {0: "B-PER", 2: "O"}}]) == ["B-PER", "O", "O"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"tokens": WORDS, "label": ["O"]}, "4 words and 1 tags; give one tag per word"),
        ({"tokens": WORDS}, "4 words and no tags"),
        ({"tokens": [], "label": []}, "field 'tokens' does not hold words"),
        ({"tokens": "Ann sees", "label": ["O"]}, "field 'tokens' does not hold words"),
        ({"tokens": ["Ann", " "], "label": ["O", "O"]}, "field 'tokens' holds an empty word"),
        ({"tokens": ["Ann", None], "label": ["O", "O"]}, "field 'tokens' holds an empty word"),
        ({"tokens": ["Ann", 5], "label": ["O", "O"]}, "field 'tokens' holds 5, which is not a text"),
        ({"tokens": ["Ann"], "label": ["B-PRE"]}, "unknown label 'B-PRE'"),
    ],
)
def test_tags_that_cannot_be_used_are_named(tokenizer, row, says):
    with pytest.raises(UserError, match=f"^a.jsonl:1: {says}"):
        encode(features(tokenizer, "tagging", names=NAMES), row)


# Batches


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_moves_tags_with_their_words(tokenizer, side):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.padding_side = side
    kind = features(tokenizer, "tagging", names=NAMES)
    rows = [{"tokens": WORDS, "label": TAGS}, {"tokens": ["Bob"], "label": ["B-PER"]}]
    batch = kind.collate([encode(kind, row) | {"row": i} for i, row in enumerate(rows)])
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 9)
    column = 7 if side == "left" else 1
    assert batch["first_pieces"][1] == {0: column}
    assert batch["labels"][1].tolist() == [1 if i == column else IGNORE for i in range(9)]
    assert batch["attention_mask"][1].sum() == 3 and batch["attention_mask"][1, column] == 1
    assert batch["row"].tolist() == [0, 1]


def test_a_batch_is_as_wide_as_its_longest_row_or_as_asked(tokenizer):
    kind = features(tokenizer)
    made = [
        encode(kind, {"text": t, "label": "yes"}) | {"row": i} for i, t in enumerate(["the cat", "the cat eats a fig"])
    ]
    assert kind.collate(made)["input_ids"].shape == (2, 7)
    assert kind.collate(made, length=12)["input_ids"].shape == (2, 12)
    assert kind.collate(made)["labels"].tolist() == [1, 1]


def test_baselines(tokenizer):
    assert features(tokenizer).baseline(["no", "yes", "yes"], ["no", "no"]) == ["yes", "yes"]
    assert features(tokenizer, "regression").baseline([1.0, 2.0], [5.0]) == [1.5]
    assert features(tokenizer, "tagging", names=NAMES).baseline([TAGS], [TAGS]) == [["O", "O", "O", "O"]]


@pytest.mark.parametrize("words", [["a", None], [{"x": "a"}], [["a", None]]])
def test_a_list_with_what_is_no_text_in_it_is_refused(tokenizer, words):
    with pytest.raises(UserError, match="row 0: field 'text' holds a list with null or an object in it"):
        features(tokenizer).encode({"text": words, "label": "no"}, lambda: "row 0")


def test_numbers_that_are_all_the_same_are_said(tokenizer):
    kind = features(tokenizer, "regression")
    same, other = (Columns({"row": [0, 1], "cut": [0, 0], "labels": labels}) for labels in ([0.5, 0.5], [0.5, 1.0]))
    assert kind.notices(same) == ["every row has the number 0.5, so correlations are 0"]
    assert kind.notices(other) == kind.notices(Columns({"row": [0, 1], "cut": [0, 0]})) == []
