"""Source and target as the two kinds of language model read them."""

from typing import Any

import pytest
from seq2seq_models import DECODERS, ENCODER_DECODERS, FAMILIES, make_data, make_features

from ptv2.errors import UserError
from ptv2.kinds.features import IGNORE
from ptv2.kinds.seq2seq import Seq2SeqFeatures

END, START = 1, 3
SOURCE, TARGET = "the cat sees a red hen", "a small cow"


def encode(features: Seq2SeqFeatures, row: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return features.encode(row, lambda: "rows.jsonl:3", **how)


def bare(features: Seq2SeqFeatures, text: str) -> list[int]:
    return features.tokenizer(text, add_special_tokens=False)["input_ids"]


# What a model reads


@pytest.mark.parametrize("family", ENCODER_DECODERS)
def test_an_encoder_decoder_has_source_and_target_apart(family):
    """Both with the tokenizer's own ends: T5 closes a text, BART opens it too."""
    features = make_features(family)
    [feature] = encode(features, {"text": SOURCE, "target": TARGET})
    start = [START] if family == "bart" else []
    assert feature["input_ids"] == [*start, *bare(features, SOURCE), END]
    assert feature["labels"] == [*start, *bare(features, TARGET), END]
    assert feature["attention_mask"] == [1] * len(feature["input_ids"])
    assert feature["target_cut"] == 0


@pytest.mark.parametrize("separator", ["\n", "\nsummary:", ""])
@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_reads_one_sequence(family, separator):
    """Llama opens it; none ends before the target; each ends after it. The loss is on the target and that end."""
    features = make_features(family, separator=separator)
    [feature] = encode(features, {"text": SOURCE, "target": TARGET})
    start = [START] if family in ("llama", "mistral") else []
    source = [*start, *bare(features, SOURCE), *bare(features, separator)]
    target = [*bare(features, TARGET), END]
    assert feature["input_ids"] == source + target
    assert feature["labels"] == [IGNORE] * len(source) + target
    assert feature["source_length"] == len(source)
    [alone] = encode(features, {"text": SOURCE}, labelled=False)
    assert alone["input_ids"] == source
    assert "labels" not in alone


def test_a_tokenizer_that_closes_every_text_does_not_close_the_source():
    """A decoder-only model whose tokenizer adds an end: the target comes before it, not after."""
    features = make_features("t5")
    features.decoder_only = True
    [feature] = encode(features, {"text": SOURCE, "target": TARGET})
    assert feature["input_ids"].count(END) == 1
    assert feature["input_ids"][-1] == END


@pytest.mark.parametrize("family", FAMILIES)
def test_a_template_joins_fields(family):
    features = make_features(family, inputs="the cat {verb} a {thing}")
    [templated] = encode(features, {"verb": "sees", "thing": "red hen", "target": TARGET})
    [plain] = encode(make_features(family), {"text": SOURCE, "target": TARGET})
    assert templated == plain


# Limits


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_source_is_cut_and_keeps_separator_and_ends(family):
    features = make_features(family, max_length=8, separator="\n")
    [feature] = encode(features, {"text": SOURCE, "target": TARGET})
    if family in ENCODER_DECODERS:
        assert len(feature["input_ids"]) == 8
        assert feature["input_ids"][-1] == END
    else:
        assert feature["source_length"] == 8
        assert feature["input_ids"][7:8] == bare(features, "\n")
        assert feature["input_ids"][8:] == [*bare(features, TARGET), END]
    assert features.longest() == (64 if family in ENCODER_DECODERS else 8 + 64)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_long_target_is_cut_before_its_end_and_counted(family, tmp_path, capsys):
    whole = make_features(family)
    [feature] = encode(whole, {"text": SOURCE, "target": SOURCE})
    length = sum(token != IGNORE for token in feature["labels"])
    [cut] = encode(make_features(family, max_target_length=5), {"text": SOURCE, "target": SOURCE})
    kept = [token for token in cut["labels"] if token != IGNORE]
    assert kept == [*[token for token in feature["labels"] if token != IGNORE][:4], END]
    assert cut["target_cut"] == length - 5
    [fits] = encode(make_features(family, max_target_length=length), {"text": SOURCE, "target": SOURCE})
    assert fits["target_cut"] == 0
    assert fits["labels"] == feature["labels"]

    rows = [{"text": "cow", "target": target} for target in (SOURCE, "cow", SOURCE)]
    data = make_data(tmp_path, family, {"train": rows}, options={"max_target_length": 5})
    data.encoded("train")
    assert capsys.readouterr().out == "tiny train: 2 of 3 targets are longer than max_target_length=5 and were cut\n"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_text_counts_what_may_be_written(family):
    target = 30
    features = make_features(family, max_length=10, max_target_length=20, generation={"max_new_tokens": target})
    assert features.longest() == (target if family in ENCODER_DECODERS else 10 + target)


@pytest.mark.parametrize("length", [0, 1, -3, "long", 2.5])
def test_a_target_length_that_cannot_be_is_refused(length):
    with pytest.raises(UserError, match=r"tiny\.options: max_target_length is '.*'; use a whole number, 2 or more"):
        make_features("t5", max_target_length=length)


def test_a_separator_without_room_for_a_source_is_refused():
    features = make_features("gpt2", max_length=4, separator="xyzw")
    with pytest.raises(UserError, match="tiny: the separator is 4 tokens long, max_length 4"):
        encode(features, {"text": SOURCE, "target": TARGET})


# Bad rows


@pytest.mark.parametrize("target", [None, "", " \n", [], ["a cow", ""], ["a cow", None]])
@pytest.mark.parametrize("family", ["t5", "gpt2"])
def test_an_empty_target_is_refused_with_its_place(family, target):
    with pytest.raises(UserError, match=r"rows\.jsonl:3: field 'target' is empty") as error:
        encode(make_features(family), {"text": SOURCE, "target": target})
    assert ("in text 2 of 2" in str(error.value)) == (isinstance(target, list) and len(target) == 2)
    encode(make_features(family), {"text": SOURCE, "target": target}, labelled=False)  # nobody asks for it there


@pytest.mark.parametrize("family", ["t5", "gpt2"])
def test_a_number_is_its_text_as_a_target(family):
    features = make_features(family)
    number, text = ({"text": SOURCE, "target": target} for target in (7.5, "7.5"))
    assert encode(features, number) == encode(features, text)
    assert features.reference(number) == ["7.5"]


@pytest.mark.parametrize("target", [True, {"text": "a cow"}])
def test_what_is_no_text_is_not_called_empty(target):
    with pytest.raises(UserError, match=r"rows\.jsonl:3: field 'target' is no text"):
        encode(make_features("t5"), {"text": SOURCE, "target": target})


@pytest.mark.parametrize("source", [None, "", "  "])
def test_an_empty_source_is_refused_with_its_place(source):
    with pytest.raises(UserError, match=r"rows\.jsonl:3: field 'text' is (empty|missing)"):
        encode(make_features("gpt2"), {"text": source, "target": TARGET})


def test_the_row_of_a_file_is_named(tmp_path):
    rows = [{"text": SOURCE, "target": TARGET}, {"text": SOURCE, "target": " "}]
    data = make_data(tmp_path, "t5", {"train": rows})
    with pytest.raises(UserError, match=r"train\.jsonl:2: field 'target' is empty"):
        data.encoded("train")
    with pytest.warns(UserWarning, match="1 bad train rows skipped"):
        data = make_data(tmp_path, "t5", {"train": rows}, on_bad_row="skip")
    assert len(data.encoded("train")) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"num_beams": 0}, "num_beams is '0'; use a whole number, 1 or more"),
        ({"num_beams": "x"}, "num_beams is 'x'; use a whole number, 1 or more"),
        ({"max_new_tokens": "8"}, "max_new_tokens is '8'; use a whole number, 1 or more"),
        ({"top_k": -1}, "top_k is '-1'; use a whole number, 0 or more"),
        ({"early_stopping": "sometimes"}, "impossible settings"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_rows_are_read(given, says):
    with pytest.raises(UserError) as refused:
        make_features("t5", generation=given)
    assert str(refused.value).startswith(f"tiny.options.generation: {says}")


@pytest.mark.parametrize("references", [[None], [""], {"a": 1}, [["a"]], [True]])
def test_references_that_are_no_texts_are_refused_by_row(references):
    features = make_features("t5", references="all")
    with pytest.raises(UserError, match=r"rows\.jsonl:3: field 'all' is "):
        encode(features, {"text": SOURCE, "target": TARGET, "all": references})


def test_references_may_be_left_out_or_be_numbers():
    features = make_features("t5", references="all")
    for references, wanted in ((None, [TARGET]), ([], [TARGET]), ([3], ["3"]), ("a cow", ["a cow"])):
        row = {"text": SOURCE, "target": TARGET, "all": references}
        encode(features, row)
        assert features.reference(row) == wanted
