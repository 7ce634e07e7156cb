"""Semantic roles: the predicate is read after the sentence and carries no label."""

import pytest

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE
from ptv2.rows.labels import Labels

TAGS = ["O", "B-A0", "I-A0", "B-V", "B-A1", "I-A1"]
ROW = {"tokens": ["Ann", "Stein", "eats", "figs"], "predicate": 2, "tags": ["B-A0", "I-A0", "B-V", "B-A1"]}


def where() -> str:
    return "rows.jsonl:3"


def features(tokenizer, **keys):
    card = {
        "name": "roles",
        "kind": "tagging",
        "dataset": {"path": "json"},
        "inputs": {"tokens": "tokens", "predicate": "predicate"},
        "label": "tags",
        "metrics": ["span_f1", "span_f1_no_v"],
        "max_length": 24,
    }
    return KINDS["tagging"].features(make_card(card | keys), tokenizer, Labels(TAGS, "card 'roles'"))


def pieces(tokenizer, feature) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(feature["input_ids"]))


@pytest.mark.parametrize("predicate", [2, "eats"])
def test_the_input_is_sentence_separator_predicate(tokenizer, predicate):
    (feature,) = features(tokenizer).encode(ROW | {"predicate": predicate}, where)
    assert pieces(tokenizer, feature) == "[CLS] ann s ##t ##e ##i ##n eats fig ##s [SEP] eats [SEP]"
    ids = [TAGS.index(tag) for tag in ROW["tags"]]
    assert feature["labels"] == [IGNORE, ids[0], ids[1], *[IGNORE] * 4, ids[2], ids[3], *[IGNORE] * 4]
    assert feature["words"] == [0, 1, 2, 3] and feature["first_pieces"] == [1, 2, 7, 8]


def test_without_a_predicate_nothing_changes(tokenizer):
    (feature,) = features(tokenizer, inputs={"tokens": "tokens"}).encode(ROW, where)
    assert feature["input_ids"] == tokenizer(ROW["tokens"], is_split_into_words=True)["input_ids"]


def test_only_the_sentence_is_cut(tokenizer):
    kind = features(tokenizer, max_length=8)
    (feature,) = kind.encode(ROW, where)
    assert pieces(tokenizer, feature) == "[CLS] ann s ##t ##e [SEP] eats [SEP]"
    assert feature["words"] == [0, 1]
    assert kind.prediction(ROW, [{"tags": {0: "B-A0", 1: "I-A0"}}]) == ["B-A0", "I-A0", "O", "O"]
    assert kind.fields() == {"tokens", "predicate"}


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (4, "field 'predicate' is 4, outside the 4 words; use 0 to 3"),
        (-1, "field 'predicate' is -1, outside the 4 words"),
        (None, "field 'predicate' is 'None', neither a word nor its index"),
        ("2", "is the text '2', which is none of the words; write the index of the predicate as a number"),
        (" ", "neither a word nor its index"),
        (True, "neither a word nor its index"),
        (1.0, "neither a word nor its index"),
        ("unspeakable" * 3, "leaves no tokens for the sentence; raise max_length (24)"),
    ],
)
def test_bad_predicates(tokenizer, predicate, message):
    with pytest.raises(UserError) as error:
        features(tokenizer).encode(ROW | {"predicate": predicate}, where)
    assert str(error.value).startswith("rows.jsonl:3: ") and message in str(error.value)
