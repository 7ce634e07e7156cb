"""What predictions hold and the forms they are written in: joined with the rows they are of, they are the scores."""

import csv
import json

import pyarrow.parquet as pq
import pytest


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predictions_of_a_limited_run_join_with_the_file_by_their_row(ptv2, write_config, cards, tmp_path):
    limit = {"train": 40, "validation": 7, "test": 6}
    said = ptv2("fit", "--config", write_config(data={"batch_size": 8, "limit": limit}), "run.predictions.inputs=true")
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "topics"
    scores = json.loads((run / "results.json").read_text())["scores"]
    for split in ("validation", "test"):
        records, rows = (
            read(run / "predictions" / f"topics.{split}.jsonl"),
            read(cards["topics"].parent / "topics" / f"{split}.jsonl"),
        )
        numbers = [record["row"] for record in records]
        assert numbers == sorted(set(numbers)) and len(numbers) == limit[split] and numbers != list(range(len(numbers)))
        for record in records:
            row = rows[record["row"]]
            assert (record["id"], record["gold"], record["inputs"]) == (row["id"], row["label"], {"text": row["text"]})
        right = sum(record["prediction"] == rows[record["row"]]["label"] for record in records)
        assert right / len(records) == scores[split]["topics"]["accuracy"]


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ((), {"row", "id", "prediction", "gold", "scores"}),
        (("--top", "1"), {"row", "id", "prediction", "gold", "scores"}),
        (("--top", "all"), {"row", "id", "prediction", "gold", "scores"}),
        (("--with-inputs",), {"row", "id", "prediction", "gold", "scores", "inputs"}),
    ],
)
def test_what_a_record_holds_is_chosen(ptv2, finished, cards, more, kept):
    argv = ("--artifact", finished("topics"), "--input", cards["topics"].parent / "topics" / "test.jsonl")
    said = ptv2("predict", *argv, *more)
    records = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 0 and all(set(record) == kept for record in records)
    assert {len(record["scores"]) for record in records} == {1 if "1" in more else 2}


def test_the_input_is_not_written_over(ptv2, finished, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text\na red cat\n")
    said = ptv2("predict", "--artifact", finished("topics"), "--input", rows, "--output", rows)
    assert said.err == f"error: {rows}: is the input, which would be lost; write another file\n"
    assert said.code == 2 and rows.read_text() == "text\na red cat\n"


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
def test_predictions_are_written_in_the_form_that_the_ending_says(ptv2, finished, cards, tmp_path, name):
    argv = ("--artifact", finished("topics"), "--input", cards["topics"].parent / "topics" / "test.jsonl")
    printed = [json.loads(line) for line in ptv2("predict", *argv).out.splitlines()]
    said = ptv2("predict", *argv, "--output", tmp_path / name)
    assert (said.code, said.out, said.err) == (0, "", "")
    path = tmp_path / name
    if name == "out.jsonl":
        assert read(path) == printed
        return
    if name == "out.parquet":
        table = [row | {"scores": dict(row["scores"])} for row in pq.read_table(path).to_pylist()]
    else:
        with path.open(newline="") as file:
            table = list(csv.DictReader(file, delimiter="\t" if name == "out.tsv" else ",", quoting=csv.QUOTE_NONE
                         if name == "out.tsv" else csv.QUOTE_MINIMAL))  # fmt: skip
        numbers = {"row": int, "id": int, "scores": json.loads}
        table = [{key: numbers.get(key, str)(value) for key, value in row.items()} for row in table]
    assert table == printed


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ("--output", "out.xlsx"),
            "error: out.xlsx: '.xlsx' is no ending of a format that is written; end it in .jsonl",
        ),
        (("--output", "nowhere/out.csv"), "error: nowhere/out.csv: cannot be written"),
        (("--top", "0"), "error: command line: argument --top: '0' is neither a number from 1 nor 'all'"),
        (("--top", "many"), "error: command line: argument --top: 'many' is neither"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_line(ptv2, finished, cards, tmp_path, monkeypatch, more, says):
    monkeypatch.chdir(tmp_path)
    rows = cards["topics"].parent / "topics" / "test.jsonl"
    said = ptv2("predict", "--artifact", finished("topics"), "--input", rows, *more)
    assert said.code == 2 and said.err.startswith(says) and len(said.err.splitlines()) == 1 and said.out == ""


def test_rows_that_cannot_be_used_are_counted_in_the_numbers(ptv2, finished, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"text": "a cat"}\n\n{"txt": "a"}\n{"text": "fig", "label": "fruit"}\n')
    argv = ("--artifact", finished("topics"), "--input", tmp_path / "rows.jsonl", "--on-bad-row", "skip")
    first, last = (json.loads(line) for line in ptv2("predict", *argv).out.splitlines())
    assert (first["row"], last["row"]) == (0, 2)
    assert "gold" not in first and last["gold"] == "fruit"
