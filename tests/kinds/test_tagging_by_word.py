"""Tagging with a tokenizer that does not say which word a token comes from: words are cut one by one."""

import pytest
from transformers import ByT5Tokenizer

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.rows.labels import Labels

NAMES = ["O", "B-PER", "B-LOC"]
ROW = {"words": ["Ann", "in", "Rome"], "tags": ["B-PER", "O", "B-LOC"], "verb": 1}


@pytest.fixture(scope="module")
def tokenizer():
    """Bytes, each token one of them; in Python alone."""
    return ByT5Tokenizer()


def features(tokenizer, max_length=40, **inputs):
    card = TaskCard(name="t", kind="tagging", inputs={"tokens": "words"} | inputs, label="tags", max_length=max_length)
    return KINDS["tagging"].features(card, tokenizer, Labels(NAMES, "card"))


def labelled(tokenizer, feature):
    """(byte, label) of every token with one."""
    pieces = tokenizer.convert_ids_to_tokens(feature["input_ids"])
    return [(piece, NAMES[i]) for piece, i in zip(pieces, feature["labels"], strict=True) if i >= 0]


def test_a_words_first_piece_carries_its_tag(tokenizer):
    (feature,) = features(tokenizer).encode(ROW, str)
    assert tokenizer.decode(feature["input_ids"]) == " Ann in Rome</s>"
    assert labelled(tokenizer, feature) == [(" ", "B-PER"), (" ", "O"), (" ", "B-LOC")]
    assert feature["first_pieces"] == [0, 4, 7]
    assert feature["attention_mask"] == [1] * 13
    assert "special_tokens_mask" not in feature


def test_words_behind_max_length_have_no_piece(tokenizer):
    kind = features(tokenizer, max_length=8)
    (feature,) = kind.encode(ROW, str)
    assert (len(feature["input_ids"]), feature["words"]) == (8, [0, 1])
    assert kind.prediction(ROW, [{"tags": {0: "B-PER", 1: "O"}}]) == ["B-PER", "O", "O"]


def test_a_predicate_stands_behind_the_sentence_without_a_tag(tokenizer):
    (feature,) = features(tokenizer, predicate="verb").encode(ROW, str)
    assert tokenizer.decode(feature["input_ids"]) == " Ann in Rome</s> in</s>"
    assert feature["first_pieces"] == [0, 4, 7]
    (short,) = features(tokenizer, max_length=10, predicate="verb").encode(ROW, str)
    assert tokenizer.decode(short["input_ids"]) == " Ann </s> in</s>"  # the sentence is cut, not the predicate
    assert short["words"] == [0, 1]
    with pytest.raises(UserError, match="leaves no tokens"):
        features(tokenizer, max_length=5, predicate="verb").encode(ROW, str)
