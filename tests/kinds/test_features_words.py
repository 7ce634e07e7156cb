"""What every kind shares: words for a field's values, groups of rows, values at dotted paths."""

import pytest

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.templates import value_at
from ptv2.rows.labels import Labels

ROW = {"premise": "the cat eats", "question": "cause", "idx": {"paragraph": 3, "question": 8}, "label": "no"}


def features(tokenizer, options):
    keys = {"dataset": {"path": "json"}, "inputs": {"text": "{premise} {question}"}, "metrics": ["accuracy"]}
    card = make_card({"name": "pairs", "kind": "cls", "options": options, **keys})
    return KINDS["cls"].features(card, tokenizer, Labels(["no", "yes"], "card 'pairs'"))


def test_words_stand_in_for_values(tokenizer):
    kind = features(tokenizer, {"words": {"question": {"cause": "because", "effect": "so"}}})
    (feature,) = kind.encode(ROW, lambda: "here")
    assert feature["input_ids"] == tokenizer("the cat eats because")["input_ids"]
    assert ROW["question"] == "cause"  # the row itself stays as it is
    with pytest.raises(UserError, match=r"here: field 'question' is 'effects'; did you mean 'effect'\?"):
        kind.encode(ROW | {"question": "effects"}, lambda: "here")
    with pytest.raises(UserError, match="here: field 'question' is missing"):
        kind.encode(ROW | {"question": None}, lambda: "here")


@pytest.mark.parametrize("value", [1, True, "1.5"])
def test_words_may_stand_for_numbers(tokenizer, value):
    kind = features(tokenizer, {"words": {"question": {value: "because"}}})
    assert kind.text("text", ROW | {"question": value}, str) == "the cat eats because"


def test_a_group_is_what_stands_in_its_fields(tokenizer):
    kind = features(tokenizer, {"group": ["idx.paragraph", "idx.question"]})
    assert kind.side(ROW, []) == {"group": (3, 8)}
    assert features(tokenizer, {}).side(ROW, []) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", {"b": [{"c": 1}, {"c": 2}, {}]}), ("a.b.c", [1, 2, None]), ("a.c", None), ("x.y", 5), ("x", None)],
)
def test_dotted_paths(path, value):
    assert value_at({"a": {"b": [{"c": 1}, {"c": 2}, {}]}, "x.y": 5}, path) == value
