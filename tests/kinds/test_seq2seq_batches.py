"""Several references, settings of `generate`, and batches as the two kinds of language model need them."""

import pytest
import torch
from seq2seq_models import make_data, make_features

from ptv2.errors import UserError
from ptv2.kinds.features import IGNORE

END = 1
SOURCE = "the cat sees a red hen"


# Several references


@pytest.mark.parametrize("family", ["bart", "llama"])
def test_several_references_are_as_many_training_features_and_one_to_score(family, tmp_path):
    rows = [{"text": SOURCE, "target": ["a cow", "the hen"]}, {"text": "a dog", "target": ["a big apple"]}]
    data = make_data(tmp_path, family, {"train": rows, "validation": rows})
    assert data.encoded("train")["row"] == [0, 0, 1]
    assert data.encoded("validation")["row"] == [0, 1]
    assert data.references("validation") == [["a cow", "the hen"], ["a big apple"]]

    def targets(split: str) -> list[str]:
        labels = [[token for token in row if token != IGNORE] for row in data.encoded(split)["labels"]]
        return data.tokenizer.batch_decode(labels, skip_special_tokens=True)

    assert targets("train") == ["a cow", "the hen", "a big apple"]
    assert targets("validation") == ["a cow", "a big apple"]  # the first reference's likelihood is the row's
    assert data.features.baseline(data.references("train"), [["x"], ["y"]]) == ["a big apple"] * 2


def test_rows_of_one_group_are_scored_as_one(tmp_path):
    """E2E lists a reference a row; a group's place is its first row's; training keeps a row for each."""
    rows = [
        {"text": "cow", "target": "a cow", "mr": ["cow"]},
        {"text": "hen", "target": "a hen", "mr": ["hen"]},
        {"text": "cow", "target": "the cow", "mr": ["cow"]},
        {"text": "cow", "target": ["one cow", "small cow"], "mr": ["cow"]},
    ]
    rows = [row | {"target": row["target"] if isinstance(row["target"], list) else [row["target"]]} for row in rows]
    data = make_data(tmp_path, "t5", {"train": rows, "test": rows}, options={"group_by": "mr"})
    assert len(data.encoded("train")) == 5
    assert len(data.encoded("test")) == 2
    assert data.references("test") == [["a cow", "the cow", "one cow", "small cow"], ["a hen"]]
    assert [data.rows["test"].where(i).rpartition("/")[2] for i in (0, 1)] == ["test.jsonl:1", "test.jsonl:2"]
    with pytest.raises(UserError, match=r"tiny\.options\.group_by: no column 'mrs'; did you mean 'mr'\?"):
        make_data(tmp_path, "t5", {"train": rows, "test": rows}, options={"group_by": "mrs"})


def test_rows_without_a_group_stand_alone(tmp_path):
    rows = [{"text": said, "target": said, "mr": mr} for said, mr in (("cow", "a"), ("hen", None), ("fig", None))]
    data = make_data(tmp_path, "t5", {"train": rows, "test": [*rows, rows[0]]}, options={"group_by": "mr"})
    assert data.references("test") == [["cow", "cow"], ["hen"], ["fig"]]


def test_rows_of_a_group_are_known_to_belong_together(tmp_path):
    rows = [{"text": said, "target": said, "doc": [1, "a"]} for said in ("cow", "hen")]
    data = make_data(tmp_path, "t5", {"train": rows, "test": rows}, options={"group": ["doc"]})
    sides = [data.features.side(row, [{"nll": 1.0, "tokens": 2}]) for row in data.rows["test"]]
    assert sides == [{"group": ('[1, "a"]',), "nll": 1.0, "tokens": 2}] * 2


def test_an_empty_reference_of_a_group_is_named(tmp_path):
    rows = [{"text": "cow", "target": "a cow"}, {"text": "cow", "target": ""}]
    data = make_data(tmp_path, "t5", {"train": rows[:1], "test": rows}, options={"group_by": "text"})
    with pytest.raises(UserError, match=r"test\.jsonl:1: field 'target' is empty in text 2 of 2"):
        data.encoded("test")


# Generation and batches


def test_settings_of_generate_come_from_the_card():
    settings = make_features(
        "gpt2", max_target_length=9, generation={"num_beams": 3, "length_penalty": 0.8}
    ).generation()
    assert settings == {
        "max_new_tokens": 9,
        "do_sample": False,
        "num_beams": 3,
        "length_penalty": 0.8,
        "pad_token_id": END,
        "eos_token_id": END,
    }
    assert make_features("t5").generation()["pad_token_id"] == 0


@pytest.mark.parametrize(
    ("given", "do"),
    [
        ({"num_beam": 3}, "did you mean 'num_beams'?"),
        ({"num_return_sequences": 2}, "remove it: a row gets one text"),
        ({"max_length": 20}, "use max_new_tokens"),
    ],
)
def test_a_setting_that_generate_does_not_know_is_refused(given, do):
    with pytest.raises(UserError, match=r"tiny\.options\.generation: no setting '.*'; ") as error:
        make_features("gpt2", generation=given).generation()
    assert do in str(error.value)


@pytest.mark.parametrize("length", [None, 50])
def test_a_decoders_batch_is_padded_right_to_train_and_left_to_write(length):
    features = make_features("llama")
    rows = [{"text": "the cat sees", "target": "a cow"}, {"text": "hen", "target": SOURCE}]
    encoded = [features.encode(row, lambda: "row")[0] | {"row": i} for i, row in enumerate(rows)]
    batch = features.collate(encoded, length)
    width = length or max(len(feature["input_ids"]) for feature in encoded)
    sources = [feature["input_ids"][: feature["source_length"]] for feature in encoded]
    for row, feature in enumerate(encoded):
        n, s = len(feature["input_ids"]), feature["source_length"]
        pad = [END] * (width - n)
        assert batch["input_ids"][row].tolist() == feature["input_ids"] + pad
        assert batch["attention_mask"][row].tolist() == [1] * n + [0] * (width - n)
        assert batch["labels"][row].tolist() == feature["labels"] + [IGNORE] * (width - n)  # not its end, which pads
        left = max(map(len, sources)) - s
        assert batch["source_ids"][row].tolist() == [END] * left + sources[row]
        assert batch["source_mask"][row].tolist() == [0] * left + [1] * s
    assert batch["row"].equal(torch.tensor([0, 1]))


def test_an_encoder_decoders_batch_is_padded_on_the_right():
    features = make_features("t5")
    rows = [{"text": "the cat sees", "target": "a cow"}, {"text": "hen", "target": SOURCE}]
    encoded = [features.encode(row, lambda: "row")[0] | {"row": i} for i, row in enumerate(rows)]
    batch = features.collate(encoded)
    assert set(batch) == {"input_ids", "attention_mask", "labels", "row", "terms"}
    short, long = (feature["labels"] for feature in encoded)
    assert batch["labels"].tolist() == [short + [IGNORE] * (len(long) - len(short)), long]
    assert batch["terms"] == len(short) + len(long)
    assert (
        batch["input_ids"][1].tolist()[len(encoded[1]["input_ids"]) :].count(0)
        == batch["attention_mask"][1].eq(0).sum()
    )
