"""Names that a data set itself gives to its ids, as parquet copies on the hub do."""

from datasets import ClassLabel, Dataset, Features, List, Value

from ptv2.config.load import make_config
from ptv2.data.taskdata import TaskData

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
