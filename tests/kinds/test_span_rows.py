"""Rows, answers and options of reading: the shapes they may have, and what is said of others."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest
from span_scene import card, encode, row

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds.span.answers import locate
from ptv2.kinds.span.features import SpanFeatures


def test_an_answer_elsewhere_is_an_error_or_looked_for(tokenizer):
    example = row(["plum"])
    example["answers"]["answer_start"] = [3]
    strict = SpanFeatures(card(), tokenizer, None)
    with pytest.raises(UserError, match=r"rows\.jsonl:1: answer 'plum' is not at offset 3 .* where ' see' stands"):
        encode(strict, example)
    search = SpanFeatures(card(find_answers=True), tokenizer, None)
    found, right = encode(search, example, training=True), encode(strict, row(["plum"]), training=True)
    assert [f["labels"] for f in found] == [f["labels"] for f in right] != [[0, 0]]
    example["answers"] = {"text": ["pear", "plum"], "answer_start": [0, 0]}
    assert [f["labels"] for f in encode(search, example, training=True)] == [f["labels"] for f in right]
    example["answers"] = {"text": ["pear"], "answer_start": [0]}
    with pytest.raises(UserError, match=r"rows\.jsonl:1: answer 'pear' does not stand in the context"):
        encode(search, example, training=True)
    assert encode(search, example)[0]["labels"] == [0, 0]  # a gold text to be scored with, all the same
    assert locate("a", 9, "a b a", search=True) == 4
    assert locate("a", -1, "a", search=False) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": None}, r"field 'answers' is not a list of answers"),
        ({"answers": {"text": ["Ann"], "answer_start": []}}, r"field 'answers' is not a list of answers"),
        ({"answers": {"text": [" "], "answer_start": [3]}}, r"an answer is empty"),
        ({"question": " "}, r"field 'question' is empty"),
        ({"context": None}, r"field 'context' is missing"),
        ({"context": "\u200b", "answers": {"text": [], "answer_start": []}}, r"the context has no token"),
        ({"question": "who " * 30}, r"a question of .* tokens and stride 4 do not fit max_length 32"),
    ],
)
def test_bad_rows(tokenizer, change, message):
    features = SpanFeatures(card(), tokenizer, None)
    with pytest.raises(UserError, match=r"rows\.jsonl:1: " + message):
        encode(features, row(["Ann"]) | change)


def test_a_row_without_answer_does_not_fit_a_card_where_all_have_one(tokenizer):
    features = SpanFeatures(card(answerable=True), tokenizer, None)
    with pytest.raises(UserError, match="has no answer, and the card says that every question has one"):
        encode(features, row())
    assert "labels" not in encode(features, row(), labelled=False)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strid": 3}, "unknown option 'strid'; did you mean 'stride'"),
        ({"stride": -1}, "stride is '-1'; use a whole number, 0 or more"),
        ({"n_best": 0}, "n_best is '0'"),
        ({"max_answer_tokens": 2.5}, "max_answer_tokens is '2.5'"),
        ({"answerable": "yes"}, "answerable is 'yes'; use true or false"),
        ({"null_threshold": "test"}, "null_threshold is 'test'; use a number, or validation"),
    ],
)
def test_options_are_checked(tokenizer, options, message):
    with pytest.raises(UserError, match=f"test/mrc.options: {message}"):
        SpanFeatures(card(**options), tokenizer, None)


def test_a_tokenizer_without_offsets_is_refused():
    with pytest.raises(UserError, match="needs the offsets of a fast tokenizer"):
        SpanFeatures(card(), SimpleNamespace(is_fast=False), None)


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["Rome"], "answer_start": [22]},
        [{"text": "Rome", "answer_start": 22}],
        {"text": ["Rome"], "answer_start": [22.0]},
    ],
)
def test_answers_are_two_lists_or_one_list_of_objects(tokenizer, answers):
    features = SpanFeatures(card(), tokenizer, None)
    asked = row() | {"answers": answers}
    assert any(f["labels"] != [0, 0] for f in encode(features, asked))
    assert features.reference(asked) == ["Rome"]
    nested = SpanFeatures(make_card(asdict(card()) | {"label": "qa.answers"}), tokenizer, None)
    assert nested.reference(row() | {"qa": {"answers": answers}}) == ["Rome"]


def test_an_answer_that_is_a_number_is_its_text(tokenizer):
    features = SpanFeatures(card(), tokenizer, None)
    asked = row(context="the cow is 12") | {"answers": {"text": [12], "answer_start": [11]}}
    assert any(f["labels"] != [0, 0] for f in encode(features, asked))
    assert features.reference(asked) == ["12"]


@pytest.mark.parametrize(
    ("text", "says"), [(["Rome"], "no text"), ({"a": 1}, "no text"), (None, "empty"), (" ", "empty")]
)
def test_an_answer_that_is_no_text_is_refused(tokenizer, text, says):
    asked = row() | {"answers": {"text": [text], "answer_start": [22]}}
    with pytest.raises(UserError, match=rf"rows\.jsonl:1: an answer is .*{says}"):
        encode(SpanFeatures(card(), tokenizer, None), asked)
