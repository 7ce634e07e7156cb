"""Rows to be answered come in parts, each row with its place, in the order of their file."""

import json

import pytest
from datasets import Dataset

from ptv2.errors import UserError
from ptv2.rows import asked_files
from ptv2.rows.asked_files import of_file

ROWS = [{"text": f"cat {i}", "n": str(i)} for i in range(5)]


def write(path):
    if path.suffix == ".parquet":
        Dataset.from_list(ROWS).to_parquet(path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        mark = "," if path.suffix.lower() == ".csv" else "\t"
        path.write_text("".join(mark.join(cells) + "\n" for cells in [("text", "n"), *(r.values() for r in ROWS)]))
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS, indent=1))
    else:
        path.write_text("\n\n".join(map(json.dumps, ROWS)) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "sizes", "last"),
    [
        ("a.jsonl", [1] * 5, ":9"),  # blank lines count
        ("a.csv", [2, 2, 1], ":6"),
        ("a.tsv", [2, 2, 1], ":6"),
        ("A.CSV", [2, 2, 1], ":6"),
        ("A.Tsv", [2, 2, 1], ":6"),
        ("a.parquet", [2, 2, 1], ", row 4"),
        ("a.json", [5], ", row 4"),  # a document is read whole
    ],
)
def test_a_file_comes_in_parts(name, sizes, last, tmp_path, monkeypatch):
    monkeypatch.setattr(asked_files, "ROWS", 2)
    path = write(tmp_path / name)
    parts = list(of_file(path))
    assert [len(part.rows) for part in parts] == sizes
    assert [row for part in parts for row in part.rows] == ROWS
    assert [part.first for part in parts] == [sum(sizes[:i]) for i in range(len(sizes))]
    assert parts[-1].places[-1] == f"{path}{last}"


def test_what_is_wrong_behind_the_first_part_is_said_when_it_is_reached(tmp_path, monkeypatch):
    monkeypatch.setattr(asked_files, "ROWS", 2)
    (tmp_path / "a.csv").write_text("text,n\na,1\nb,2\nc\n")
    parts = of_file(tmp_path / "a.csv")
    assert len(next(parts).rows) == 2
    with pytest.raises(UserError, match=r"a.csv:4: 1 cell\(s\), the header has 2"):
        next(parts)


@pytest.mark.parametrize("text", ["\n\n", "[]", "text,n\n"])
def test_a_file_without_rows_is_refused(text, tmp_path):
    path = tmp_path / ("a.csv" if "," in text else "a.json")
    path.write_text(text)
    with pytest.raises(UserError, match=r"holds no rows|has no rows|a JSON object"):
        for part in of_file(path):
            part.check()
