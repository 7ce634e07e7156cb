"""Features are kept by content: the same rows are tokenised once, whatever their file is called."""

import json
import shutil

import pytest

from ptv2.config.cards import make_card
from ptv2.data.cache import cache_folder
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import KINDS

ROWS = [{"text": "the cat eats", "label": "animal"}, {"text": "a red fig", "label": "fruit"}] * 3


@pytest.fixture
def data(tokenizer, tmp_path, monkeypatch):
    """`data(...)`: TaskData of a folder of rows, with keys of the card changed; `data.encoded` counts the rows."""
    monkeypatch.setenv("PTV2_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows").mkdir()
    for split in ("train", "test"):
        (tmp_path / "rows" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    whole = KINDS["cls"].features.encode

    def count(*args, **keys):
        make.encoded += 1
        return whole(*args, **keys)

    def make(folder="rows", tokenizer=tokenizer, limit=None, **keys):
        keys = {"name": "a", "kind": "cls", "inputs": {"text": "text"}, "metrics": ["accuracy"]} | keys
        return TaskData(make_card({"dataset": {"path": str(tmp_path / folder)}, **keys}), tokenizer, limit)

    make.encoded = 0
    monkeypatch.setattr(KINDS["cls"].features, "encode", count)
    return make


def test_rows_are_tokenised_once(data, tmp_path):
    first = data().encoded("train")
    assert data.encoded == 6 and len(list((tmp_path / "cache").glob("*.arrow"))) == 1
    assert data().encoded("train").to_list() == first.to_list()
    shutil.copytree(tmp_path / "rows", tmp_path / "moved")
    assert data("moved", name="b", version=2).encoded("train").to_list() == first.to_list()
    assert data.encoded == 6


@pytest.mark.parametrize("keys", [{"max_length": 8}, {"labels": ["fruit", "animal"]}, {"inputs": {"text": "{text}!"}}])
def test_another_card_is_another_content(data, keys):
    data().encoded("train")
    data(**keys).encoded("train")
    assert data.encoded == 12


def test_other_rows_tokens_or_code_are_another_content(data, tokenizer, tmp_path, monkeypatch):
    data().encoded("train")
    data(limit={"train": 4}).encoded("train")
    assert data.encoded == 10
    other = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer, pad_token="[PAD]", unk_token="[MASK]")
    data(tokenizer=other).encoded("train")
    assert data.encoded == 16
    monkeypatch.setattr(KINDS["cls"].features, "version", 99)
    data().encoded("train")
    assert data.encoded == 22
    (tmp_path / "rows" / "train.jsonl").write_text(
        json.dumps(ROWS[0] | {"label": "fruit"}) + "\n" + json.dumps(ROWS[0])
    )
    data().encoded("train")
    assert data.encoded == 24


def test_a_bad_row_leaves_no_features_behind(data, tmp_path):
    with (tmp_path / "rows" / "train.jsonl").open("a") as file:
        file.write('{"text": "", "label": "fruit"}\n')
    for _ in range(2):
        with pytest.raises(UserError, match=r"train.jsonl:7: field 'text' is empty"):
            data().encoded("train")
    assert list((tmp_path / "cache").glob("*.arrow")) == []


def test_each_feature_knows_its_row_and_length(data, tokenizer):
    encoded = data().encoded("train")
    assert encoded["row"][:] == list(range(6))
    assert encoded["length"][:2] == [len(tokenizer(row["text"])["input_ids"]) for row in ROWS[:2]]


def test_a_cache_that_cannot_be_written_is_named(data, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PTV2_CACHE", str(tmp_path / "file" / "cache"))
    assert cache_folder() == tmp_path / "file" / "cache"
    with pytest.raises(UserError, match=r"file/cache: cannot be written \(Not a directory\); set PTV2_CACHE"):
        data().encoded("train")


def test_baselines_are_scored(data):
    assert data().baseline_scores() == {"test": {"accuracy": 0.5}}
