"""Rows of the hub are read as rows of a file with the same columns."""

import datetime

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from ptv2.config.cards import make_card
from ptv2.rows import sources


@pytest.fixture
def rows(monkeypatch):
    def read(data, **keys):
        monkeypatch.setattr(sources, "load_split", lambda *_: data)
        card = {"name": "example", "kind": "seq2seq", "inputs": {"source": "text"}, "label": "y", "metrics": ["bleu"]}
        return sources.load_rows(make_card(card | {"dataset": {"path": "owner/name"}} | keys), "train")

    return read


def test_times_become_text_and_numbers_of_32_bits_stay_short(rows):
    when = pa.array([datetime.datetime(2024, 5, 1, 10), None])
    data = Dataset(pa.table({"text": ["a", "b"], "y": pa.array([0.1, 0.2], pa.float32()), "when": when}))
    assert rows(data).data.to_list() == [
        {"text": "a", "y": 0.1, "when": "2024-05-01 10:00:00"},
        {"text": "b", "y": 0.2, "when": None},
    ]


def test_names_of_ids_are_kept(rows):
    features = Features({"text": Value("string"), "y": ClassLabel(names=["no", "yes"])})
    data = Dataset.from_dict({"text": ["a"], "y": [1]}, features=features)
    read = rows(data, kind="cls", inputs={"text": "text"}, metrics=["accuracy"])
    assert read.data.features["y"].names == ["no", "yes"]
