"""Words of a list are read with the blank that a text would have before them, whatever the tokenizer."""

import pytest
from transformers import RobertaTokenizer

from ptv2.config.cards import DatasetCard, TaskCard
from ptv2.kinds.tagging import TaggingFeatures
from ptv2.rows.labels import Labels


@pytest.fixture(params=[False, True], ids=["plain", "add_prefix_space"])
def roberta(request) -> RobertaTokenizer:
    """A byte-level tokenizer that knows `cat` and `eats` with and without the blank before them."""
    pieces = ["c", "a", "t", "e", "s", "Ġ", "ca", "cat", "Ġcat", "ea", "eat", "eats", "Ġeats"]
    vocab = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *pieces])}
    merges = [("c", "a"), ("ca", "t"), ("Ġ", "cat"), ("e", "a"), ("ea", "t"), ("eat", "s"), ("Ġ", "eats")]
    return RobertaTokenizer(vocab=vocab, merges=merges, add_prefix_space=request.param)


def card(**inputs: str) -> TaskCard:
    return TaskCard(
        "t", kind="tagging", dataset=DatasetCard("json"), inputs={"tokens": "tokens"} | inputs, label="tags"
    )


@pytest.mark.parametrize("inputs", [{}, {"predicate": "predicate"}], ids=["words", "roles"])
def test_byte_level_pieces_are_those_of_running_text(roberta, inputs):
    features = TaggingFeatures(card(**inputs), roberta, Labels(["O", "B-V"], "the test"))
    row = {"tokens": ["cat", "eats", "cat"], "tags": ["O", "B-V", "O"], "predicate": 1}
    (feature,) = features.encode(row, lambda: "here")
    pieces = roberta.convert_ids_to_tokens(feature["input_ids"])
    sentence = ["<s>", "Ġcat", "Ġeats", "Ġcat", "</s>"]
    assert pieces == (sentence if not inputs else [*sentence, "</s>", "Ġeats", "</s>"])
    assert feature["words"] == [0, 1, 2] and feature["first_pieces"] == [1, 2, 3]


def test_a_tokenizer_that_splits_at_blanks_is_given_none(tokenizer):
    features = TaggingFeatures(card(), tokenizer, Labels(["O", "B-V"], "the test"))
    assert features.blank == ""
