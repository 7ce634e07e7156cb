"""Rows as people have them: other formats than JSON lines, and files with bad rows in them."""

import gzip
import json

import pytest
from datasets import Dataset

from ptv2 import UserError, load

ROWS = [{"id": 1, "text": "the cat, the hen"}, {"id": 2, "text": 'a "red" plum'}, {"id": 3, "text": "fig"}]


def csv_text(rows, mark):
    quoted = [[str(row["id"]), '"' + row["text"].replace('"', '""') + '"'] for row in rows]
    return "".join(mark.join(cells) + "\n" for cells in [["id", "text"], *quoted])


def records(said):
    return [json.loads(line) for line in said.out.splitlines()]


def write(path, rows):
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.name == "rows.jsonl.gz":
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    elif path.name == "array.json":
        path.write_text(json.dumps(rows, indent=1))
    elif path.name == "columns.json":  # pandas' to_json
        path.write_text(json.dumps({key: {str(i): row[key] for i, row in enumerate(rows)} for key in rows[0]}))
    elif path.suffix == ".tsv":
        path.write_text("".join(f"{row['id']}\t{row['text']}\n" for row in [{"id": "id", "text": "text"}, *rows]))
    else:
        path.write_text(csv_text(rows, ","))
    return path


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "array.json", "columns.json", "rows.jsonl.gz"])
def test_other_formats_are_answered_as_json_lines_are(ptv2, finished, tmp_path, name):
    said = [
        ptv2("predict", "--artifact", finished("topics"), "--input", write(tmp_path / each, ROWS))
        for each in ("rows.jsonl", name)
    ]
    expected = [line | {"id": str(line["id"])} if name == "rows.csv" else line for line in records(said[0])]
    assert [one.code for one in said] == [0, 0], said[1].err
    assert records(said[1]) == expected and len(expected) == 3


def test_tsv_is_answered(ptv2, finished, tmp_path):
    rows = [row for row in ROWS if '"' not in row["text"]]
    said = ptv2("predict", "--artifact", finished("topics"), "--input", write(tmp_path / "rows.tsv", rows))
    assert said.code == 0 and [record["id"] for record in records(said)] == ["1", "3"]


def test_a_bad_row_of_a_csv_file_is_named_by_its_line(ptv2, finished, tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\n1,a cat\n2,\n")
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / "rows.csv")
    assert said.code == 2 and said.err.startswith(f"error: {tmp_path}/rows.csv:3: field 'text' is ")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rows.csv", "id,text,text\n1,a,b\n", ":2: field 'text' appears twice in the header"),
        ("rows.csv", "id;text\n1;a\n", ":1: one column, 'id;text'"),
        ("rows.jsonl", '{"text": "a", "text": "b"}\n', ":1: 'text' appears twice"),
        ("rows.json", '[{"text": "a"}, {"txt": "b"}]', ", row 1: field 'text' is missing"),
        ("rows.conll", "a O\n", ": a CoNLL file"),
        ("rows.parquet", "PAR1", ": cannot be read as Parquet"),
    ],
)
def test_a_file_that_fit_would_refuse_is_refused(ptv2, finished, tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / name)
    assert said.code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"error: {tmp_path / name}{says}")


def test_a_csv_file_is_read_with_the_delimiter_of_the_card(ptv2, finished, tmp_path):
    (tmp_path / "rows.csv").write_text("id;text\n1;a cat, a hen\n")
    argv = ("--artifact", finished("topics"), "--input", tmp_path / "rows.csv")
    said = ptv2("predict", *argv, "tasks.topics.dataset.delimiter=;")
    assert said.code == 0 and records(said)[0]["id"] == "1"


def test_bad_rows_are_left_out_and_counted(ptv2, finished, tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        '{"text": "a cat", "id": 1}',
        '{"text": "a c',
        "",
        '{"txt": "a dog"}',
        '["a"]',
        '{"text": ""}',
        '{"text": {"a": 5}}',
        '{"text": "fig", "id": 8, "task": "topic"}',
        '{"text": "fig", "id": 9}',
    ]
    path.write_text("\n".join(lines) + "\n")
    argv = ("--artifact", finished("topics"), "--input", path)
    said = ptv2("predict", *argv, "--on-bad-row", "skip")
    assert said.code == 0 and [json.loads(line)["id"] for line in said.out.splitlines()] == [1, 9]
    left_out = said.err.splitlines()
    for line, number in zip(left_out, (2, 4, 5, 6, 7, 8), strict=False):
        assert line.startswith(f"skipped: {path}:{number}: ")
    assert left_out[6:] == ["6 of 8 rows skipped"]
    said = ptv2("predict", *argv)
    assert said.code == 2 and said.out == "" and said.err.startswith(f"error: {path}:2: not valid JSON")


def test_a_file_of_which_nothing_can_be_used_is_refused(ptv2, finished, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n[]\n')
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / "rows.jsonl", "--on-bad-row", "skip")
    assert said.code == 2 and said.out == "" and "none of the 2 rows can be used" in said.err


def test_half_a_character_and_numbers_of_any_size_are_handed_through(ptv2, finished, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a cat \\ud83d", "id": 36893488147419103232}\n{"text": "a cat", "id": "x\\udc00"}\n')
    said = ptv2("predict", "--artifact", finished("topics"), "--input", path)
    assert said.code == 0 and said.err == ""
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == [36893488147419103232, "x\ufffd"]


SPANNED = {"text": "Ann sees the hen.", "found": [[0, 3, "PER"]]}
WRONG = SPANNED | {"found": [[1, 2, "PER"]]}
WORDS = ["Ann", "sees", "the", "hen", "."]
TAGS = ["B-PER", "O", "O", "O", "O"]


@pytest.fixture
def spanned(ptv2, write_config, tmp_path):
    """The folder of a run that was trained on texts with spans."""
    card = {
        "name": "names",
        "kind": "tagging",
        "dataset": {"path": "json", "data_files": {"train": str(write(tmp_path / "train.jsonl", [SPANNED] * 8))}},
        "inputs": {"tokens": "tokens"},
        "label": "tags",
        "labels": ["O", "B-PER", "I-PER"],
        "metrics": ["span_f1"],
        "max_length": 32,
        "options": {"spans_column": "found", "text_column": "text"},
    }
    config = write_config(tasks={"names": card}, trainer={"max_steps": 1}, run={"folder": str(tmp_path), "name": "run"})
    assert ptv2("fit", "--config", config).code == 0
    return tmp_path / "run"


def test_texts_with_spans_are_answered_as_they_are_trained_on(ptv2, spanned, tmp_path):
    rows = [SPANNED, {"text": SPANNED["text"]}, WRONG, {"tokens": WORDS}, {"tokens": WORDS, "tags": TAGS}]
    said = ptv2("predict", "--artifact", spanned, "--input", write(tmp_path / "asked.jsonl", rows), "--with-inputs")
    found = records(said)
    assert [record["inputs"] for record in found] == [{"tokens": WORDS}] * 5
    assert [record.get("gold") for record in found] == [TAGS, None, None, None, TAGS]
    assert [record["prediction"] for record in found] == [found[0]["prediction"]] * 5


def test_texts_with_spans_are_scored_as_they_are_trained_on(spanned):
    run = load(spanned)
    assert run.score([SPANNED, SPANNED]) == run.score([{"tokens": WORDS, "tags": TAGS}] * 2)
    with pytest.raises(UserError, match=r"row 1: 'found' has a span 1..2 \('n'\) that does not begin and end with a"):
        run.score([SPANNED, WRONG])
