"""Templates with virtual tokens and a mask, and the labels' words: what rows become, and what is refused."""

import pytest

from ptv2.config.cards import make_card
from ptv2.errors import UserError
from ptv2.kinds.verbalizer import TemplateFeatures
from ptv2.rows.labels import Labels

PAIR = {"text": "premise", "pair": "hypothesis"}


@pytest.fixture
def make(tokenizer):
    def features(template, words=None, inputs=None, max_length=24, labels=("big", "small"), **options):
        card = {
            "name": "sizes",
            "kind": "cls",
            "inputs": inputs or {"text": "text"},
            "metrics": ["accuracy"],
            "dataset": {"path": "json"},
        }
        card |= {"max_length": max_length, "options": {"template": template, "verbalizer": words} | options}
        return TemplateFeatures(make_card(card), tokenizer, Labels(list(labels), "card"))

    return features


def shown(features, row):
    """The tokens of a row's feature, its virtual tokens as P."""
    (feature,) = features.encode(row, lambda: "row 0", labelled=False)
    tokens = features.tokenizer.convert_ids_to_tokens(feature["input_ids"])
    assert tokens[feature["answer_at"]] == "[MASK]"
    assert feature["attention_mask"] == [1] * len(tokens) and feature["token_type_ids"] == [0] * len(tokens)
    return " ".join("P" if i in feature["virtual"] else token for i, token in enumerate(tokens)), feature["cut"]


@pytest.mark.parametrize(
    ("template", "inputs", "expected"),
    [
        ("{prompt:2} {text} {mask}", None, "[CLS] P P the cat [MASK] [SEP]"),
        ("{text} {prompt:1} a {mask} cat {prompt:2}", None, "[CLS] the cat P a [MASK] cat P P [SEP]"),
        ("{prompt:1}{text}in{mask}", None, "[CLS] P the cat ##i ##n [MASK] [SEP]"),
        ("{premise} {prompt:1} {mask} {hypothesis}", PAIR, "[CLS] the cat P [MASK] a dog [SEP]"),
        ("{pair} {mask} {prompt:1} {text}", PAIR, "[CLS] a dog [MASK] P the cat [SEP]"),
        ("{text} {prompt:1} {mask}", {"text": "{premise} in {hypothesis}"}, "[CLS] the cat in a dog P [MASK] [SEP]"),
    ],
)
def test_virtual_tokens_words_and_the_mask_stand_as_written(make, template, inputs, expected):
    row = {"text": "the cat", "premise": "the cat", "hypothesis": "a dog"}
    assert shown(make(template, inputs=inputs), row) == (expected, 0)


def test_a_long_text_is_cut_and_the_template_kept(make):
    row = {"premise": "the cat eats a fig", "hypothesis": "a dog"}
    features = make("{premise} {prompt:2} {mask} in {hypothesis}", inputs=PAIR, max_length=10)
    assert shown(features, row) == ("[CLS] the cat P P [MASK] in a dog [SEP]", 3)
    features = make("{premise} {prompt:2} {mask} in {hypothesis}", inputs=PAIR, max_length=10, truncate="hypothesis")
    assert shown(features, row) == ("[CLS] the cat eats a P P [MASK] in [SEP]", 3)


def test_a_batch_says_where_virtual_tokens_and_the_answer_are(make):
    features = make("{text} {prompt:2} {mask}")
    rows = [{"text": "a", "label": "big"}, {"text": "the big cat", "label": "small"}]
    batch = features.collate([features.encode(row, lambda: "row")[0] | {"row": i} for i, row in enumerate(rows)])
    assert batch["virtual_BT"].int().tolist() == [[0, 0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 0, 0]]
    assert batch["answer_at_B"].tolist() == [4, 6] and batch["labels"].tolist() == [0, 1]


def test_words_of_labels(make, tokenizer):
    ids = tokenizer.convert_tokens_to_ids
    assert make("{text} {prompt:1} {mask}").words == [[ids("big")], [ids("small")]]
    assert make("{text} {prompt:1} {mask}", {"small": ["fig", "plum"], "big": "cow"}).words == [
        [ids("cow")], [ids("fig"), ids("plum")],
    ]  # fmt: skip


GOOD = "{prompt:1} {text} {mask}"


@pytest.mark.parametrize(
    ("template", "words", "message"),
    [
        ("{prompt:1} {text}", None, "ptuning.template: '{prompt:1} {text}' has no '{mask}', where the answer is read"),
        ("{prompt:1} {text} {mask} {mask}", None, "has 2 '{mask}'s"),
        ("{prompt:1} {mask}", None, "the template does not read the input 'text' of card 'sizes'; put {text} into it"),
        ("{prompt:1} {txet} {mask}", None, "'{txet}' is no input of card 'sizes'; did you mean 'text'?"),
        ("{prompt} {text} {mask}", None, "'{prompt}' does not say how many virtual tokens stand there"),
        ("{prompt:0} {text} {mask}", None, "'{prompt:0}' does not say how many"),
        ("{prompt:99999999999} {text} {mask}", None, "write a number from 1 to 4,096"),
        (
            "{prompt:1} {text!r} {mask}",
            None,
            "'{text!r}' has something behind its name, and only {prompt:3}",
        ),
        ("{prompt:1} {text} {mask:2}", None, "'{mask:2}' has something behind its name"),
        ("{prompt:1 {text} {mask}", None, "is not a template"),
        (GOOD, {"big": "apple", "small": "zebra"}, "the word 'zebra' of label 'small' is 5 tokens, not one: z ##e ##b"),
        (GOOD, {"big": "apple", "small": "~"}, "the word '~' of label 'small' is not in the backbone's vocabulary"),
        (GOOD, {"big": ["fig", "dog"], "small": ["dog", "fig"]}, "labels 'big' and 'small' have the same words"),
        (GOOD, {"big": "apple"}, "of card 'sizes' has no words; write e.g. {small: [good, great]}"),
        (GOOD, {"big": "apple", "small": []}, "label 'small' of card 'sizes' has no words"),
        (GOOD, {"big": [True], "small": [False]}, "true stands where a word should; put yes, no, on, off, true and"),
        (
            GOOD,
            {"big": {"a": 1}, "small": "fig"},
            "{'a': 1} stands where a word should; give a word, or a",
        ),
        (GOOD, {"bigg": "apple", "small": "fig"}, "unknown label 'bigg' for card 'sizes'; did you mean 'big'?"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(make, template, words, message):
    with pytest.raises(UserError) as error:
        make(template, words)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_template_that_leaves_no_room_is_refused(make):
    features = make("{prompt:9} {text} {mask}", max_length=8)
    with pytest.raises(UserError, match="the template alone takes 12 tokens, and max_length is 8; raise max_length"):
        features.encode({"text": "the cat"}, lambda: "row", labelled=False)
