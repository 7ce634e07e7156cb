"""What cannot be read is named by file and line, in one line."""

import datasets
import pytest
from datasets.exceptions import DatasetNotFoundError
from rows_scene import card, jsonl, message, tagging_card, write

from ptv2.rows.sources import load_rows


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ('{"text": "a"}\n{"text": "b"\n{"text": "c"}\n', 2, "not valid JSON"),
        ('{"text": "a"}\n\n["b"]\n', 3, "not a JSON object"),
        ('{"text": "a"}\n{"text": "\\ud83d"}\n', 2, "surrogate"),
        (b'{"text": "a"}\n{"text": "caf\xe9"}\n', 2, "not UTF-8"),
    ],
)
def test_a_faulty_json_line_is_named(tmp_path, content, line, says):
    file = write(tmp_path / "a.jsonl", content)
    error = message(load_rows, card("json", data_files={"train": file}), "train")
    assert error.startswith(f"{file}:{line}: ") and says in error


def test_a_faulty_row_of_a_json_array_is_named(tmp_path):
    file = write(tmp_path / "a.json", '[{"text": "a", "label": 1}, ["b"]]')
    assert message(load_rows, card("json", data_files={"train": file}), "train").startswith(
        f"{file}, row 1: not a JSON"
    )
    write(tmp_path / "a.json", '[{"text": "a"},\n {"text": }]')
    assert message(load_rows, card("json", data_files={"train": file}), "train").startswith(f"{file}:2: not valid JSON")


def test_a_faulty_csv_line_is_named(tmp_path):
    file = write(tmp_path / "a.csv", "text,label\na,1\nb,1,2\n")
    assert message(load_rows, card("csv", data_files={"train": file}), "train").startswith(f"{file}:3: ")


def test_a_faulty_conll_line_is_named(tmp_path):
    file = write(tmp_path / "a.conll", "EU B-ORG\nrejects\n")
    error = message(load_rows, tagging_card("conll", data_files={"train": file}), "train")
    assert error.startswith(f"{file}:2: no token and tag")


def test_a_faulty_parquet_file_is_named(tmp_path):
    file = write(tmp_path / "a.parquet", "text,label\n")
    assert message(load_rows, card("parquet", data_files={"train": file}), "train").startswith(
        f"{file}: cannot be read"
    )


def test_a_faulty_span_is_named(tmp_path):
    row = {"tokens": ["Ann"], "entities": [{"start": 0, "end": 2, "type": "Peop"}]}
    file = write(tmp_path / "a.jsonl", jsonl([row]))
    spanned = tagging_card("json", data_files={"train": file}, options={"spans_column": "entities"})
    assert message(load_rows, spanned, "train").startswith(f"{file}:1: 'entities' has a span 0..2 in 1 tokens")


@pytest.mark.parametrize(
    ("format", "content"),
    [("json", ""), ("json", "\n\n"), ("json", "[]"), ("csv", ""), ("csv", "text,label\n"), ("conll", "\n")],
)
def test_an_empty_file_is_named(tmp_path, format, content):
    file = write(tmp_path / "a", content)
    error = message(load_rows, card(format, data_files={"train": file}), "train")
    assert error.startswith(f"{file}: ") and ("empty" in error or "no rows" in error)


def test_an_empty_split_is_named(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: datasets.Dataset.from_dict({"text": []}))
    assert "split 'train': the split has no rows" in message(load_rows, card("glue"), "train")


def test_a_missing_file_is_named(tmp_path):
    error = message(load_rows, card("json", data_files={"train": str(tmp_path / "none.jsonl")}), "train")
    do = "correct dataset.data_files: a card's files are looked for beside it, then from where the command runs"
    assert error == f"{tmp_path}/none.jsonl: no such file; {do}"


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl([{"sentence": "a", "label": 1}]))
    near = message(load_rows, card("json", columns=["sentense"], data_files={"train": file}), "train")
    assert near == f"{file}:1: no column 'sentense', only sentence, label; did you mean 'sentence'?"
    far = message(load_rows, card("json", columns=["question"], data_files={"train": file}), "train")
    assert "no column 'question', only sentence, label; correct dataset.columns" in far


def test_a_value_keeps_its_own_type_whatever_the_other_files_hold(tmp_path):
    files = [write(tmp_path / f"{i}.jsonl", jsonl([{"text": "a", "label": label}])) for i, label in enumerate((1, "x"))]
    assert load_rows(card("json", data_files={"train": files}), "train").data["label"] == [1, "x"]


def test_names_of_splits_and_folders_are_checked(tmp_path):
    def says(source):
        return message(load_rows, source, "train")

    assert "no split 'dev'; valid: test, train, validation" in says(card("json", data_files={"dev": "a"}))
    assert "no split 'validaton'; did you mean 'validation'?" in says(card("x/y", splits={"validaton": "a"}))
    assert "name them, e.g. task.dataset.data_files.train=FILE" in says(card("json"))
    assert "name its files <split>.jsonl" in says(card(tmp_path))
    assert "no such folder" in says(card(tmp_path / "none"))
    assert "use 1 or more" in message(load_rows, card("demo", name="bbc_topic"), "train", 0)


def test_the_hub_out_of_reach_names_the_local_way():
    error = message(load_rows, card("nyu-mll/glue", name="rte"), "train")
    assert error.startswith("nyu-mll/glue/rte split 'train': the hub is not reachable (HF_HUB_OFFLINE is set); ")
    assert "task.dataset.path=json task.dataset.data_files.train=FILE" in error


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (
            DatasetNotFoundError("Dataset 'x/y' doesn't exist"),
            "neither a local folder nor a data set",
        ),
        (
            RuntimeError("Dataset scripts are no longer supported, but found y.py"),
            "data_files.SPLIT=default/SPLIT/*.parquet",
        ),
        (ValueError("Unknown split \"dev\". Should be one of ['train']."), "Should be one of ['train']"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(monkeypatch, raised, says):
    def load_dataset(*args, **keys):
        raise raised

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    error = message(load_rows, card("x/y"), "train")
    assert error.startswith("x/y split 'train': ") and says in error
