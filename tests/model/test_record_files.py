"""Records as a file, whose ending says the format."""

import csv
import json

import pyarrow.parquet as pq
import pytest

from ptv2.errors import UserError
from ptv2.model.record_files import RecordFile

RECORDS = [
    {"row": 0, "prediction": "yes", "scores": {"yes": 0.75, "no": 0.25}, "inputs": {"text": 'a "b",\n\tc\\'}},
    {"row": 3, "id": "007", "prediction": None, "gold": "no", "scores": {"no": 1.0}, "inputs": {"text": ""}},
]


def written(path, records):
    with RecordFile(path) as file:
        for record in records:
            file.add(record)
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # no part of it is left
    return path


def test_json_lines_are_the_records(tmp_path):
    text = written(tmp_path / "a.jsonl", RECORDS).read_text()
    assert [json.loads(line) for line in text.splitlines()] == RECORDS


def test_csv_has_a_column_for_each_field_that_some_record_has(tmp_path):
    with written(tmp_path / "a.csv", RECORDS).open(newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["row", "id", "prediction", "gold", "scores", "inputs.text"]
    assert first["inputs.text"] == RECORDS[0]["inputs"]["text"] and json.loads(first["scores"]) == RECORDS[0]["scores"]
    assert (second["id"], second["prediction"], second["gold"], second["inputs.text"]) == ("007", "", "no", "")


@pytest.mark.parametrize("text", ["one\rtwo", "one\r\ntwo\r\n", "\r", "one\ntwo"])
def test_line_breaks_of_any_kind_stand_in_a_cell_of_csv(text, tmp_path):
    file = written(tmp_path / "a.csv", [{"row": 0, "inputs": {"text": text, "more": "x"}}, {"row": 1}])
    with file.open(newline="") as lines:
        first, second = csv.DictReader(lines)
    assert (first["inputs.text"], first["inputs.more"], second["row"]) == (text, "x", "1")
    assert file.read_bytes().startswith(b"row,inputs.text,inputs.more\n0,")


def test_tsv_has_one_line_per_record_and_no_quotation_marks(tmp_path):
    head, first, _ = written(tmp_path / "a.tsv", RECORDS).read_text().splitlines()
    assert dict(zip(head.split("\t"), first.split("\t"), strict=True))["inputs.text"] == 'a "b",\\n\\tc\\\\'


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (["a", None], ["a", None]),
        ([1, None], [1, None]),
        ([1, 0.5], [1.0, 0.5]),
        ([0.25, float("inf")], [0.25, float("inf")]),
        ([True, False], [True, False]),
        ([["O", "B-PER"], []], [["O", "B-PER"], []]),
        ([{"index": 1, "text": "a"}, None], ['{"index": 1, "text": "a"}', None]),
        ([["O", None], ["O"]], ['["O", null]', '["O"]']),
        (["a", 1, True, ["b"]], ["a", "1", "true", '["b"]']),
        ([2**70, 1], [str(2**70), "1"]),
        ([2**60 + 1, 1], [2**60 + 1, 1]),
        ([2**60 + 1, 1.5], [str(2**60 + 1), "1.5"]),
        ([None, None], [None, None]),
    ],
)
def test_a_column_of_parquet_has_the_type_of_its_values_or_holds_json(tmp_path, values, stored):
    path = written(tmp_path / "a.parquet", [{"row": i, "prediction": value} for i, value in enumerate(values)])
    assert pq.read_table(path).column("prediction").to_pylist() == stored


def test_scores_in_parquet_are_maps(tmp_path):
    table = pq.read_table(written(tmp_path / "a.parquet", RECORDS))
    assert table.column("scores").to_pylist() == [[("yes", 0.75), ("no", 0.25)], [("no", 1.0)]]
    assert table.column_names == ["row", "id", "prediction", "gold", "scores", "inputs.text"]


def test_files_of_parquet_go_together_where_one_has_no_answer(tmp_path):
    for name, start in (("a", None), ("b", 3)):
        with RecordFile(tmp_path / f"{name}.parquet") as file:
            file.add({"row": 0, "prediction": "", "answer_start": start})
    assert pq.read_table(tmp_path).column("answer_start").to_pylist() == [None, 3]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_nothing_is_left_of_a_file_whose_records_did_not_all_come(tmp_path, name):
    (tmp_path / name).write_text("of before")
    with pytest.raises(ZeroDivisionError), RecordFile(tmp_path / name) as file:
        file.add(RECORDS[0])
        _ = 1 / 0
    assert [each.name for each in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "of before"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet"])
def test_no_records_are_a_file_too(tmp_path, name):
    assert written(tmp_path / name, []).is_file()


@pytest.mark.parametrize(("name", "says"), [("a.xlsx", "'.xlsx' is no ending"), ("nowhere/a.csv", "cannot be written")])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name, says):
    with pytest.raises(UserError, match=says):
        RecordFile(tmp_path / name)
