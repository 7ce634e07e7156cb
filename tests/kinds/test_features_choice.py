"""Multiple choice: rows of 2..N choices, their batches, answers and errors."""

import pytest
import torch
from datasets import Dataset

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card

COPA = {
    "premise": "the cat eats",
    "question": "effect",
    "choice1": "the dog sees",
    "choice2": "a small hen",
    "label": 1,
}
ARC = {
    "question": "the dog eats",
    "choices": {"text": ["apple", "pear", "the big plum"], "label": ["A", "B", "C"]},
    "answerKey": "C",
}


def where() -> str:
    return "rows.jsonl:3"


def features(tokenizer, **keys):
    card = {
        "name": "choices",
        "kind": "choice",
        "dataset": {"path": "json"},
        "metrics": ["accuracy"],
        "max_length": 16,
        "inputs": {"text": "{premise} {question}", "choice1": "choice1", "choice2": "choice2"},
        "options": {"words": {"question": {"cause": "because", "effect": "so"}}},
    }
    return KINDS["choice"].features(make_card(card | keys), tokenizer, None)


def arc(tokenizer, **keys):
    card = {
        "inputs": {"text": "question", "choices": "choices.text"},
        "label": "answerKey",
        "options": {"label_in": "choices.label"},
    }
    return features(tokenizer, **(card | keys))


def says(features, row) -> str:
    with pytest.raises(UserError) as error:
        features.encode(row, where)
    assert "\n" not in str(error.value) and str(error.value).startswith("rows.jsonl:3: ")
    return str(error.value)


def test_each_choice_is_a_pair_with_the_stem(tokenizer):
    (feature,) = features(tokenizer).encode(COPA, where)
    pairs = [tokenizer("the cat eats so", choice) for choice in ("the dog sees", "a small hen")]
    assert feature["input_ids"] == [pair["input_ids"] for pair in pairs]
    assert feature["token_type_ids"] == [pair["token_type_ids"] for pair in pairs]
    assert feature["labels"] == 1
    assert feature["length"] == 2 * max(map(len, feature["input_ids"]))


def test_a_stem_that_says_choice_is_one_text(tokenizer):
    stem = features(
        tokenizer, inputs={"text": "{premise} so {choice}", "choice1": "choice1", "choice2": "choice2"}, options={}
    )
    (feature,) = stem.encode(COPA, where)
    assert feature["input_ids"][0] == tokenizer("the cat eats so the dog sees")["input_ids"]
    assert stem.fields() == {"premise", "choice1", "choice2"}


def test_letters_name_the_right_choice(tokenizer):
    kind = arc(tokenizer)
    (feature,) = kind.encode(ARC, where)
    assert len(feature["input_ids"]) == 3 and feature["labels"] == 2
    assert kind.reference(ARC) == {"index": 2, "letter": "C", "text": "the big plum"}
    assert kind.prediction(ARC, [{"index": 0}]) == {"index": 0, "letter": "A", "text": "apple"}
    assert kind.fields() == {"question", "choices.text", "choices.label"}


def test_choices_in_a_list_of_objects_are_read_too(tokenizer):
    pairs = zip(ARC["choices"]["text"], ARC["choices"]["label"], strict=True)
    row = ARC | {"choices": [{"text": text, "label": letter} for text, letter in pairs]}
    assert arc(tokenizer).encode(row, where) == arc(tokenizer).encode(ARC, where)


def test_the_last_roles_may_be_left_out(tokenizer):
    inputs = {"text": "premise"} | {f"choice{i}": f"choice{i}" for i in (10, 2, 1)}
    kind = features(tokenizer, inputs=inputs, options={})
    assert len(kind.encode(COPA | {"choice10": None}, where)[0]["input_ids"]) == 2
    (feature,) = kind.encode(COPA | {"choice10": "a fig"}, where)
    assert feature["input_ids"][2] == tokenizer("the cat eats", "a fig")["input_ids"]
    assert "field 'choice2' is missing" in says(kind, COPA | {"choice2": None, "choice10": "a fig"})


def test_a_batch_holds_the_choices_row_by_row(tokenizer):
    kind = arc(tokenizer)
    two = ARC | {"choices": {"text": ["fig", "a red fig"], "label": ["1", "2"]}, "answerKey": "1"}
    encoded = [kind.encode(row, where)[0] | {"row": i} for i, row in enumerate((ARC, two))]
    batch = kind.collate(encoded)
    assert batch["choices_B"].tolist() == [3, 2]
    assert batch["labels"].tolist() == [2, 0] and batch["row"].tolist() == [0, 1]
    longest = max(len(ids) for feature in encoded for ids in feature["input_ids"])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (5, longest)
    assert batch["input_ids"][3][batch["attention_mask"][3].bool()].tolist() == encoded[1]["input_ids"][0]
    assert kind.collate(encoded, length=16)["input_ids"].shape == (5, 16)
    assert torch.equal(kind.collate(encoded[1:])["choices_B"], torch.tensor([2]))


def test_without_a_label_there_is_still_an_answer(tokenizer):
    row = {key: value for key, value in ARC.items() if key != "answerKey"}
    kind = arc(tokenizer)
    (feature,) = kind.encode(row, where, labelled=False)
    assert "labels" not in feature
    assert kind.prediction(row, [{"index": 1}])["text"] == "pear"


def test_a_label_may_be_a_digit_in_a_text(tokenizer):
    assert features(tokenizer).encode(COPA | {"label": "0"}, where)[0]["labels"] == 0


def test_the_guess_is_always_the_same_place(tokenizer):
    kind = arc(tokenizer)
    two = ARC | {"choices": {"text": ["fig", "a red fig"], "label": ["1", "2"]}, "answerKey": "1"}
    training = [kind.reference(ARC | {"answerKey": key}) for key in "CCB"]
    guesses = kind.guesses(Dataset.from_list([ARC, two]), training, [])
    assert guesses == [kind.reference(ARC), kind.reference(two)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"label": 2}, "no choice is right: field 'label' is '2', the choices are 0, 1"),
        ({"label": -1}, "'-1' (-1 marks hidden test labels)"),
        ({"label": None}, "field 'label' is missing"),
        ({"choice2": None}, "1 choice(s); give at least 2"),
        ({"choice2": " "}, "field 'choice2' is empty"),
        ({"question": "why"}, "field 'question' is 'why'; valid: cause, effect"),
        ({"premise": None}, "field 'premise' is missing"),
    ],
)
def test_bad_roles(tokenizer, changed, message):
    assert message in says(features(tokenizer), COPA | changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answerKey": "E"}, "no choice is right: field 'answerKey' is 'E', the choices are A, B, C"),
        ({"choices": {"text": ["fig"], "label": ["A"]}}, "1 choice(s); give at least 2"),
        ({"choices": {"text": ["fig", ""], "label": ["A", "C"]}}, "choice 1 is empty"),
        ({"choices": {"text": ["fig", "pear"], "label": ["C"]}}, "2 choices and 1 of 'choices.label'"),
        ({"choices": {"text": ["fig", "pear"]}}, "field 'choices.label' does not hold a list of letters"),
        ({"choices": "fig or pear"}, "field 'choices.text' does not hold a list of choices"),
    ],
)
def test_bad_lists(tokenizer, changed, message):
    assert message in says(arc(tokenizer), ARC | changed)


def test_the_first_choice_may_be_number_one(tokenizer):
    kind = features(tokenizer, options={"first": 1, "words": {"question": {"cause": "because", "effect": "so"}}})
    row = COPA | {"label": "1"}
    (feature,) = kind.encode(row, where)
    assert feature["labels"] == 0
    assert kind.reference(row) == kind.prediction(row, [{"index": 0}]) == {"index": 1, "text": "the dog sees"}
    assert kind.shown(row, [{"scores": {"0": 0.75, "1": 0.25}}]) == {"scores": {"1": 0.75, "2": 0.25}}
    assert "field 'label' is '0', the choices are 1, 2" in says(kind, COPA | {"label": "0"})


def test_a_label_that_is_the_text_of_a_choice_gets_the_option_that_reads_it(tokenizer):
    card = {"inputs": {"text": "q", "choices": "texts"}, "label": "right"}
    row = {"q": "Which is blue?", "texts": ["sky", "grass"], "right": "sky"}
    assert "set options.label_in=texts" in says(features(tokenizer, **card), row)
    found = features(tokenizer, **card, options={"label_in": "texts"}).encode(row, lambda: "")
    assert found[0]["labels"] == 0


@pytest.mark.parametrize(
    ("texts", "label", "right"), [([1.5, 2.0, 3.0], 2.0, 1), ([True, False], False, 1), ([10, 20], "20", 1)]
)
def test_a_label_that_is_a_choice_may_be_a_number_or_a_truth_value(tokenizer, texts, label, right):
    kind = features(tokenizer, inputs={"text": "q", "choices": "c"}, options={"label_in": "c"})
    assert kind.encode({"q": "the cat", "c": texts, "label": label}, where)[0]["labels"] == right


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"choices": "c", "choice1": "a"}, "both 'choices' and 'choice1' name the choices"),
        ({"choice1": "a", "choice2": "b", "choice3b": "c"}, "unknown input 'choice3b'"),
    ],
)
def test_inputs_of_no_use_are_refused(tokenizer, inputs, says):
    with pytest.raises(UserError, match=says):
        check_card(features(tokenizer, inputs={"text": "q", **inputs}, options={}).card)


def test_letters_count_from_the_first(tokenizer):
    kind = features(tokenizer, options={"first": "A"})
    row = COPA | {"label": "B"}
    assert kind.encode(row, where)[0]["labels"] == 1
    assert kind.reference(row) == {"index": 1, "letter": "B", "text": "a small hen"}
    assert "field 'label' is 'C', the choices are A, B" in says(kind, COPA | {"label": "C"})
    with pytest.raises(UserError, match="first is 'AB'; use a whole number, 0 or more, or a letter"):
        features(tokenizer, options={"first": "AB"})
