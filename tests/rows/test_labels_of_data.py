"""Names that a data set itself gives to its ids, as parquet copies on the hub do."""

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from ptv2.config.cards import make_card
from ptv2.config.load import make_config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError

TYPES = ["O", "person", "art-film"]


def test_a_card_without_labels_takes_those_of_the_data(tokenizer, tmp_path):
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TYPES))})
    rows = Dataset.from_dict({"tokens": [["Ann", "eats"]], "ner_tags": [[1, 0]]}, features=features)
    rows.to_parquet(str(tmp_path / "train.parquet"))
    card = {
        "name": "films",
        "kind": "tagging",
        "dataset": {"path": str(tmp_path)},
        "inputs": {"tokens": "tokens"},
        "label": "ner_tags",
        "metrics": ["span_f1"],
    }
    config = make_config({"task": card, "backbone": {"name": "tiny"}, "run": {"name": "run"}})
    data = TaskData(next(iter(config.tasks.values())), tokenizer)
    assert data.label_names() == TYPES
    assert data.references("train") == [["person", "O"]]


def test_vectors_of_0_and_1_are_no_ids_of_a_data_set(tokenizer, tmp_path):
    features = Features({"text": Value("string"), "moods": List(ClassLabel(names=["joy", "fear", "anger"]))})
    rows = Dataset.from_dict({"text": ["a", "b"], "moods": [[0, 1], [1, 0, 0]]}, features=features)
    rows.to_parquet(str(tmp_path / "train.parquet"))
    keys = {"dataset": {"path": str(tmp_path)}, "inputs": {"text": "text"}, "metrics": ["micro_f1"]}
    card = make_card({"name": "moods", "kind": "multilabel", "label": "moods", **keys})
    with pytest.raises(UserError, match=r"train\.parquet, row 1: an id appears twice in field 'moods'"):
        TaskData(card, tokenizer)
