"""Rows as people have them: other formats than JSON lines, and files with bad rows in them."""

import json

import pytest
from datasets import Dataset

ROWS = [{"id": 1, "text": "the cat, the hen"}, {"id": 2, "text": 'a "red" plum'}, {"id": 3, "text": "fig"}]


def csv_text(rows, mark):
    quoted = [[str(row["id"]), '"' + row["text"].replace('"', '""') + '"'] for row in rows]
    return "".join(mark.join(cells) + "\n" for cells in [["id", "text"], *quoted])


def write(path, rows):
    if path.suffix == ".parquet":
        Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".tsv":
        path.write_text("".join(f"{row['id']}\t{row['text']}\n" for row in [{"id": "id", "text": "text"}, *rows]))
    else:
        path.write_text(csv_text(rows, ","))
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_other_formats_are_answered_as_json_lines_are(ptv2, finished, tmp_path, ending):
    said = {
        name: ptv2("predict", "--artifact", finished("topics"), "--input", write(tmp_path / f"rows.{name}", ROWS))
        for name in ("jsonl", ending)
    }
    assert said["jsonl"].code == said[ending].code == 0
    lines = [json.loads(line) for line in said["jsonl"].out.splitlines()]
    if ending == "csv":  # a cell is text: 007 stays 007
        lines = [line | {"id": str(line["id"])} for line in lines]
    assert [json.loads(line) for line in said[ending].out.splitlines()] == lines and len(lines) == 3


def test_tsv_is_answered(ptv2, finished, tmp_path):
    rows = [row for row in ROWS if '"' not in row["text"]]
    said = ptv2("predict", "--artifact", finished("topics"), "--input", write(tmp_path / "rows.tsv", rows))
    assert said.code == 0 and [json.loads(line)["id"] for line in said.out.splitlines()] == ["1", "3"]


def test_a_bad_row_of_a_csv_file_is_named_by_its_line(ptv2, finished, tmp_path):
    (tmp_path / "rows.csv").write_text("id,text\n1,a cat\n2,\n")
    said = ptv2("predict", "--artifact", finished("topics"), "--input", tmp_path / "rows.csv")
    assert said.code == 2 and said.err.startswith(f"error: {tmp_path}/rows.csv:3: field 'text' is ")


def test_bad_rows_are_left_out_and_counted(ptv2, finished, tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        '{"text": "a cat", "id": 1}',
        '{"text": "a c',
        "",
        '{"txt": "a dog"}',
        '["a"]',
        '{"text": ""}',
        '{"text": 5}',
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
    assert said.code == 2 and said.out == "" and said.err.startswith(f"error: {path}:2: not JSON")


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
