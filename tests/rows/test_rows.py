"""Where rows come from, and what stays of them: their places, their limit, their fingerprint."""

import json
import os
import pickle
import subprocess
import sys

import datasets
import pytest
from rows_scene import CONLL, ROWS, card, jsonl, message, tagging_card, write

from ptv2.rows.sources import load_rows

# Sources


def test_json_lines_know_their_line(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl(ROWS[:2]) + "\n\n" + jsonl(ROWS[2:]))
    rows = load_rows(card("json", data_files={"train": file}), "train")
    assert rows.data.to_list() == ROWS
    assert rows.split == "train"
    assert [rows.where(i) for i in (0, 1, 2)] == [f"{file}:1", f"{file}:2", f"{file}:5"]


def test_a_json_array_counts_rows(tmp_path):
    file = write(tmp_path / "a.json", json.dumps(ROWS))
    rows = load_rows(card("json", data_files={"train": file}), "train")
    assert rows.data.to_list() == ROWS
    assert rows.where(3) == f"{file}, row 3"


def test_csv_keeps_words_such_as_None_and_counts_lines_inside_quotes(tmp_path):
    file = write(tmp_path / "a.csv", 'text,label\n"two\nlines",0\nNone,1\n\nNA,0\n')
    rows = load_rows(card("csv", data_files={"train": file}), "train")
    assert rows.data["text"][:] == ["two\nlines", "None", "NA"]
    assert [rows.where(i) for i in range(3)] == [f"{file}:2", f"{file}:4", f"{file}:6"]


def test_tsv_is_csv_with_tabs(tmp_path):
    file = write(tmp_path / "a.tsv", "text\tlabel\na, b\t1\n")
    assert load_rows(card("csv", data_files={"train": file}), "train").data.to_list() == [
        {"text": "a, b", "label": "1"}
    ]


def test_parquet(tmp_path):
    file = str(tmp_path / "a.parquet")
    datasets.Dataset.from_list(ROWS).to_parquet(file)
    rows = load_rows(card("parquet", data_files={"train": file}), "train")
    assert rows.data.to_list() == ROWS
    assert rows.where(2) == f"{file}, row 2"


def test_conll_columns(tmp_path):
    file = write(tmp_path / "a.conll", CONLL)
    rows = load_rows(tagging_card("conll", data_files={"train": file}), "train")
    assert rows.data.to_list() == [
        {"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]},
        {"tokens": ["Peter"], "ner_tags": ["B-PER"]},
    ]
    assert [rows.where(0), rows.where(1)] == [f"{file}:3", f"{file}:6"]


def test_conll_reads_the_columns_of_the_card_and_takes_tabs(tmp_path):
    file = write(tmp_path / "a.conll", "1\tNew York\tLOC\tx\n2\tis\tO\tx\n")
    options = {"token_column": 1, "tag_column": 2}
    rows = load_rows(tagging_card("conll", data_files={"train": file}, options=options), "train")
    assert rows.data.to_list() == [{"tokens": ["New York", "is"], "ner_tags": ["LOC", "O"]}]


def test_several_files_follow_each_other(tmp_path):
    files = [write(tmp_path / f"{i}.jsonl", jsonl(ROWS[i : i + 3])) for i in (0, 3)]
    rows = load_rows(card("json", data_files={"train": files}), "train")
    assert rows.data.to_list() == ROWS
    assert [rows.where(2), rows.where(3)] == [f"{files[0]}:3", f"{files[1]}:1"]


def test_a_folder_holds_a_file_per_split(tmp_path):
    write(tmp_path / "train.jsonl", jsonl(ROWS))
    write(tmp_path / "test.csv", "text,label\na,1\n")
    folder = card(tmp_path, splits={"test": None})  # of the hub's splits, not of a folder's
    assert load_rows(folder, "train").where(5) == f"{tmp_path}/train.jsonl:6"
    assert load_rows(folder, "validation") is None
    assert load_rows(folder, "test").data.to_list() == [{"text": "a", "label": "1"}]


def test_a_file_name_is_no_pattern(tmp_path):
    file = write(tmp_path / "a[1]*.jsonl", jsonl(ROWS))
    assert len(load_rows(card("json", data_files={"train": file}), "train").data) == 6


def test_a_pattern_names_its_files_in_order(tmp_path):
    files = [write(tmp_path / f"part-{i}.jsonl", jsonl(ROWS[i : i + 3])) for i in (0, 3)]
    rows = load_rows(card("json", data_files={"train": f"{tmp_path}/part-*.jsonl"}), "train")
    assert rows.data.to_list() == ROWS and rows.where(3) == f"{files[1]}:1"
    error = message(load_rows, card("json", data_files={"train": f"{tmp_path}/none-*.jsonl"}), "train")
    assert f"no file matches '{tmp_path}/none-*.jsonl'" in error


def test_a_split_without_a_file_is_absent(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl(ROWS))
    assert load_rows(card("json", data_files={"train": file}), "test") is None


def test_the_hub_is_asked_for_the_split_of_the_card(monkeypatch):
    asked = {}

    def load_dataset(path, name, revision, split):
        asked.update(path=path, name=name, revision=revision, split=split)
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    rte = card("glue", name="rte", revision="abc", splits={"train": "train[:90%]", "test": None})
    rows = load_rows(rte, "train")
    assert asked == {"path": "glue", "name": "rte", "revision": "abc", "split": "train[:90%]"}
    assert rows.where(4) == "glue/rte split 'train[:90%]', row 4"
    assert load_rows(rte, "test") is None


def test_files_on_the_hub_are_named_without_a_configuration(monkeypatch):
    asked = {}
    loaded = datasets.Dataset.from_list(ROWS)
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **keys: asked.update(keys) or loaded)
    files = {"train": "en/train/*.parquet"}
    named = card("GEM/web_nlg", revision="refs/convert/parquet", data_files=files)
    load_rows(named, "train")
    assert asked == {"revision": "refs/convert/parquet", "split": "train", "data_files": files}
    assert load_rows(named, "test") is None
    named.dataset.name = "en"
    assert "name and data_files are both given" in message(load_rows, named, "train")


def test_spans_become_tags_where_there_are_none(tmp_path):
    row = {"tokens": ["Ann", "saw", "New", "York"]}
    spans = [{"start": 0, "end": 1, "type": "Peop"}, {"start": 2, "end": 4, "type": "Loc"}]
    file = write(tmp_path / "a.jsonl", jsonl([row | {"entities": spans}]))
    spanned = tagging_card("json", data_files={"train": file}, options={"spans_column": "entities"})
    assert load_rows(spanned, "train").data["ner_tags"][:] == [["B-Peop", "O", "B-Loc", "I-Loc"]]


def test_spans_of_characters_become_words_and_tags(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl([{"text": "Ann, in Rome.", "label": [[0, 3, "PER"], [8, 12, "LOC"]]}]))
    options = {"spans_column": "label", "text_column": "text"}
    row = load_rows(tagging_card("json", data_files={"train": file}, options=options), "train").data[0]
    assert row["tokens"] == ["Ann", ",", "in", "Rome", "."] and row["ner_tags"] == ["B-PER", "O", "O", "B-LOC", "O"]
    write(tmp_path / "a.jsonl", jsonl([{"text": "Ann", "label": [[0, 2, "PER"]]}]))
    error = message(load_rows, tagging_card("json", data_files={"train": file}, options=options), "train")
    assert error.startswith(f"{file}:1: 'label' has a span 0..2 ('An') that does not begin and end with a word")


@pytest.mark.parametrize(
    ("options", "tokens", "says"),
    [
        (
            {"spans_column": "entitties"},
            "tokens",
            "no column 'entitties', only text, entities; correct options.spans_column",
        ),
        ({"spans_column": "entities", "text_column": "txt"}, "tokens", "no column 'txt'"),
        ({"spans_column": "entities", "text_column": "text"}, "text", "options.text_column is the same field"),
    ],
)
def test_columns_of_spans_that_are_not_there_are_named(tmp_path, options, tokens, says):
    file = write(tmp_path / "a.jsonl", jsonl([{"text": "Ann", "entities": [[0, 3, "PER"]]}]))
    spanned = tagging_card("json", data_files={"train": file}, options=options)
    spanned.inputs["tokens"] = tokens
    assert says in message(load_rows, spanned, "train")


def test_tags_that_are_there_stay(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl([{"tokens": ["Ann"], "ner_tags": ["O"]}]))
    spanned = tagging_card("json", data_files={"train": file}, options={"spans_column": "entities"})
    assert load_rows(spanned, "train").data["ner_tags"][:] == [["O"]]


# Limit and fingerprint


def test_limit_draws_with_the_seed_and_keeps_order_and_places(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl(ROWS))
    source = card("json", data_files={"train": file})
    drawn = load_rows(source, "train", limit=3, seed=1)
    texts = drawn.data["text"][:]
    assert len(texts) == 3 and texts == sorted(texts)
    assert texts == load_rows(source, "train", limit=3, seed=1).data["text"][:]
    assert any(texts != load_rows(source, "train", limit=3, seed=s).data["text"][:] for s in (2, 3, 4))
    assert [drawn.where(i) for i in range(3)] == [f"{file}:{int(text[-1]) + 1}" for text in texts]
    assert len(load_rows(source, "train", limit=99).data) == 6


def test_fingerprint_follows_content_not_place_or_time(tmp_path):
    def fingerprint(name, rows, **keys):
        file = write(tmp_path / name, jsonl(rows))
        return load_rows(card("json", data_files={"train": file}), "train", **keys).fingerprint

    first = fingerprint("a.jsonl", ROWS)
    assert first == fingerprint("b.jsonl", ROWS) == fingerprint("c.jsonl", ROWS, limit=99)
    others = {fingerprint("d.jsonl", ROWS[:5]), *(fingerprint("e.jsonl", ROWS, limit=3, seed=s) for s in (1, 2))}
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    ("name", "contents"), [("a.jsonl", ('{"text": "a"}', '{"text": "b"}')), ("a.csv", ("t\na", "t\nb"))]
)
def test_rows_are_those_that_are_there_now_whatever_the_time_of_the_file(tmp_path, name, contents):
    found = []
    for content in contents:
        file = write(tmp_path / name, content)
        os.utime(file, (1, 1))
        rows = load_rows(card(name.rpartition(".")[2].removesuffix("l"), (), data_files={"train": file}), "train")
        found.append((rows.data.to_list(), rows.fingerprint))
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]


def test_fingerprint_is_the_same_in_another_process(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl(ROWS))
    here = load_rows(card("json", data_files={"train": file}), "train", limit=3).fingerprint
    code = (
        "from ptv2.rows.sources import load_rows; from ptv2.config.cards import make_card\n"
        "card = make_card({'name': 'other', 'kind': 'cls', 'metrics': ['accuracy'],"
        f" 'dataset': {{'path': 'json', 'data_files': {{'train': {file!r}}}}}}})\n"
        "print(load_rows(card, 'train', limit=3).fingerprint)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == here


def test_rows_travel_to_worker_processes(tmp_path):
    file = write(tmp_path / "a.jsonl", jsonl(ROWS))
    rows = load_rows(card("json", data_files={"train": file}), "train", limit=3)
    copy = pickle.loads(pickle.dumps(rows))
    assert copy.data.to_list() == rows.data.to_list()
    assert copy.where(2) == rows.where(2)
