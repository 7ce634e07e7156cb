"""Cloze questions: one feature per entity, whatever order they come back in."""

import pytest
from datasets import Dataset

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.metrics.split import Split
from ptv2.metrics.table import score

ROW = {
    "passage": "Ann sees Bob\n@highlight\nBob eats",
    "query": "@placeholder eats",
    "entities": ["Ann", "Bob", "Rome"],
    "answers": ["Bob"],
}


def where() -> str:
    return "rows.jsonl:3"


@pytest.fixture
def kind(tokenizer):
    card = {
        "name": "record",
        "kind": "cloze",
        "dataset": {"path": "json"},
        "inputs": {"text": "passage", "query": "query", "entities": "entities"},
        "label": "answers",
        "metrics": ["squad_f1", "squad_em"],
        "max_length": 24,
        "options": {"replace": {"@highlight\n": "a "}},
    }
    return KINDS["cloze"].features(make_card(card), tokenizer, None)


def test_an_entity_is_a_pair_of_passage_and_filled_query(kind, tokenizer):
    features = kind.encode(ROW, where, training=True)
    passage = "Ann sees Bob\na Bob eats"
    assert [f["input_ids"] for f in features] == [
        tokenizer(passage, f"{name} eats")["input_ids"] for name in ROW["entities"]
    ]
    assert [f["labels"] for f in features] == [0, 1, 0]
    assert [f["entity"] for f in features] == [0, 1, 2]
    assert "labels" not in kind.encode(ROW, where, labelled=False)[0]


def test_the_likeliest_entity_answers(kind):
    outputs = [{"entity": 2, "yes": 0.7}, {"entity": 0, "yes": 0.1}, {"entity": 1, "yes": 0.7}]
    assert kind.prediction(ROW, outputs) == "Bob"
    assert kind.reference(ROW) == ["Bob"]
    batch = kind.collate([f | {"row": 0} for f in kind.encode(ROW, where)][::-1])
    assert batch["entity_B"].tolist() == [2, 1, 0] and batch["labels"].tolist() == [0, 1, 0]


def test_the_best_gold_answer_counts():
    values = score(["squad_em", "squad_f1"], Split(["the Bob", "Ann of Rome"], [["Ann", "Bob"], ["Oslo", "Rome"]]))
    assert values == {"squad_em": 0.5, "squad_f1": pytest.approx((1 + 2 * 1 / (3 + 1)) / 2)}


def test_the_guess_is_the_entity_named_most(kind):
    rows = [ROW, ROW | {"passage": "Rome"}, ROW | {"passage": "Annals: Anne saw Bob."}]
    assert kind.guesses(Dataset.from_list(rows), [], []) == ["Bob", "Rome", "Bob"]
    assert kind.fields() == {"passage", "query", "entities"}


def test_every_entity_is_shown_with_its_score(kind):
    outputs = [{"entity": 2, "yes": 0.25}, {"entity": 0, "yes": 0.5}, {"entity": 1, "yes": 0.75}]
    assert kind.shown(ROW, outputs) == {"scores": {"Ann": 0.5, "Bob": 0.75, "Rome": 0.25}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"query": "Bob eats"}, "field 'query' has no '@placeholder'; mark the gap"),
        ({"entities": []}, "field 'entities' does not hold a list of texts"),
        ({"entities": ["Bob", ""]}, "field 'entities' does not hold a list of texts"),
        ({"answers": []}, "field 'answers' does not hold a list of texts"),
        ({"answers": ["Oslo"]}, "no entity is an answer"),
        ({"passage": ""}, "field 'passage' is empty"),
    ],
)
def test_bad_rows(kind, changed, message):
    with pytest.raises(UserError) as error:
        kind.encode(ROW | changed, where, training=True)
    assert str(error.value).startswith("rows.jsonl:3: ") and message in str(error.value)


def test_a_row_to_score_may_have_an_answer_that_is_no_entity(kind):
    assert [f["labels"] for f in kind.encode(ROW | {"answers": ["Oslo"]}, where)] == [0, 0, 0]
