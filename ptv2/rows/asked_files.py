"""Rows to be answered out of a file or standard input, some at a time: JSON lines, CSV, TSV, Parquet."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ptv2.errors import UserError
from ptv2.rows.asked import Asked, whole
from ptv2.rows.csv_rows import csv_rows
from ptv2.rows.files import Form, format_of
from ptv2.rows.json_rows import begins_document, holds_rows, parsed
from ptv2.rows.parquet_rows import Faults, dataset_of, parquet_parts
from ptv2.rows.sources import read_files
from ptv2.rows.standard_input import standard_input
from ptv2.rows.table import Table
from ptv2.rows.text import check_file, opened

if TYPE_CHECKING:
    from datasets import Dataset

ROWS = 1000
T = TypeVar("T")


def of_file(source: str | Path, delimiter: str | None = None, quoting: str | None = None) -> Iterator[Asked]:
    """Read the rows of a file, by its ending, or of standard input (`-`), which holds JSON lines, some at a time.

    A part has at most `ROWS` rows, and of standard input those that are there: who sends a row waits for no other. A
    JSON document is read whole; all other formats take the memory of a part.

    Args:
        source: the file; without a known ending it holds JSON lines.
        delimiter: of CSV files, as a card has it.
        quoting: of CSV files, as a card has it.

    Raises:
        UserError: no such file, not UTF-8, or no rows; a line that is not a JSON object is a bad row.
    """
    count = 0
    for part in _parts(source, delimiter, quoting):
        part.first = count
        count += len(part.rows)
        if part.rows:
            yield part
    if not count:
        raise UserError("holds no rows", where="standard input" if str(source) == "-" else source)


def _parts(source: str | Path, delimiter: str | None, quoting: str | None) -> Iterator[Asked]:
    if str(source) == "-":
        yield from _of_lines(standard_input(ROWS), "standard input")
        return
    path = Path(source)
    if not path.is_file():
        raise UserError("is a folder; name a file in it" if path.is_dir() else "no such file", where=path)
    format = format_of(path.name) or "json"
    if format == "conll":
        do = "write its words as JSON lines; ptv2.evaluate scores CoNLL files"
        raise UserError("a CoNLL file, which has tags", where=path, do=do)
    check_file(path)
    if format == "parquet":
        yield from _of_parquet(path)
    elif format == "csv":
        yield from _of_csv(path, delimiter, quoting)
    elif _is_document(path):
        yield _of_document(path)
    else:
        with opened(path, newline="\n") as file:
            yield from _of_lines(parts_of(enumerate(file, start=1), ROWS), str(path))


def _is_document(path: Path) -> bool:
    """Whether a JSON file is one document that holds rows, instead of one object a line."""
    with opened(path, newline="\n") as file:
        first = next((line for line in file if line.strip()), "").strip()
        following = next(file, "")
        rest = following if following.strip() else next((line for line in file if line.strip()), "")
    if not first or first.startswith("["):
        return re.match(r"\[\s*\{", f"{first}\n{rest}") is not None
    return not following.startswith("{") and (begins_document(first) or (not rest.strip() and holds_rows(first)))


def _of_document(path: Path) -> Asked:
    source = read_files([path], Form("json"))
    return _of_rows(path, source.data, source.faults, 0)


def _of_parquet(path: Path) -> Iterator[Asked]:
    count = 0
    for table in parquet_parts(path, ROWS):
        data, faults = dataset_of([table])
        yield _of_rows(path, data, faults, count)
        count += len(table)


def _of_rows(path: Path, data: "Dataset | Table", faults: Faults, count: int) -> Asked:
    unread = {field: what for field, (_, what) in faults.items() if field not in data.column_names}
    places = [f"{path}, row {count + number}" for number in range(len(data))]
    return Asked(str(path), [whole(row) for row in data], places, unread=unread)


def _of_csv(path: Path, delimiter: str | None, quoting: str | None) -> Iterator[Asked]:
    faults: Faults = {}
    for rows in parts_of(csv_rows(path, delimiter, quoting, faults), ROWS):
        part = Asked(str(path), unread={field: what for field, (_, what) in faults.items()})
        for line, row in rows:
            part.add(row, f"{path}:{line}")
        yield part


def _of_lines(parts: Iterable[Iterable[tuple[int, str]]], name: str) -> Iterator[Asked]:
    for lines in parts:
        part = Asked(name)
        for number, line in lines:
            if line.strip():
                _add_line(part, line, number)
        yield part


def _add_line(part: Asked, line: str, number: int) -> None:
    place = f"{part.name}:{number}"
    try:
        row = parsed(line, part.name, number)
    except UserError as error:
        row = error
    if not isinstance(row, dict | UserError):
        row = UserError("a line must be a JSON object", where=place, do='write {"field": value, ...}')
    part.add(row, place)


def parts_of(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items, `size` at a time."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
