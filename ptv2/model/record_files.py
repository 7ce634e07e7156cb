"""Records of predictions as a file: JSON lines, CSV, TSV or Parquet, by its ending."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from ptv2.errors import UserError
from ptv2.model.predictions import Record, line

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
EXACT = 2**53  # whole numbers up to it are exact as decimals
BATCH = 10_000  # records of a Parquet row group

FIRST = ("row", "id", "idx", "task", "prediction", "gold", "generated", "score", "scores")
"""Columns that stand first, in this order, where there are any."""

KNOWN = {"scores": pa.map_(pa.string(), pa.float64()), "answer_start": pa.int64()}
"""Columns of Parquet whose type is known before there is a value, so that files of the same artifact go together."""


class RecordFile:
    """Take records one by one, and be a whole file at the end: `with RecordFile(path) as file: file.add(record)`.

    They are kept as JSON lines in a file beside it: which columns a table has is known when all have come. Where an
    error ends the block, nothing is left.

    Raises:
        UserError: an unknown ending, or a file that cannot be written.
    """

    def __init__(self, path: Path):
        if path.suffix.lower() not in ENDINGS:
            do = f"end it in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
            raise UserError(f"'{path.suffix}' is no ending of a format that is written", where=path, do=do)
        self.path, self.part = path, path.with_name(path.name + ".part")
        self.types: dict[str, set[str]] = {}  # column -> the types of its values
        try:
            self.lines = self.part.open("w", encoding="utf-8")
        except OSError as error:
            raise _unwritable(path, error) from error

    def __enter__(self) -> "RecordFile":
        return self

    def add(self, record: Record) -> None:
        """Take the next record."""
        for name, value in flat(record).items():
            self.types.setdefault(name, set()).add(type_of(value))
        self.lines.write(line(record) + "\n")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.lines.close()
        try:
            if kind is None:
                self._finish()
        except OSError as problem:
            raise _unwritable(self.path, problem) from problem
        finally:
            self.part.unlink(missing_ok=True)

    def _finish(self) -> None:
        ending = self.path.suffix.lower()
        if ending in (".jsonl", ".ndjson"):
            os.replace(self.part, self.path)
            return
        names = sorted(self.types, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
        made = self.path.with_name(self.path.name + ".made")
        try:
            if ending == ".parquet":
                self._write_parquet(made, names)
            else:
                self._write_table(made, names, tabs=ending == ".tsv")
            os.replace(made, self.path)
        finally:
            made.unlink(missing_ok=True)

    def _records(self) -> Iterator[Record]:
        with self.part.open(encoding="utf-8") as lines:
            yield from (flat(json.loads(text)) for text in lines)

    def _write_table(self, path: Path, names: list[str], tabs: bool) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            if tabs:  # which has no quotation marks: a tab or line break within a text is written as \t or \n
                file.writelines("\t".join(map(_escaped, cells)) + "\n" for cells in self._rows(names))
            else:
                csv.writer(_Lines(file)).writerows(self._rows(names))

    def _rows(self, names: list[str]) -> Iterator[list[str]]:
        yield names
        yield from ([cell(record.get(name)) for name in names] for record in self._records())

    def _write_parquet(self, path: Path, names: list[str]) -> None:
        schema = pa.schema([(name, column_type(name, self.types[name])) for name in names])
        with ParquetWriter(path, schema) as file:
            rows: list[Record] = []
            for record in self._records():
                rows.append({field.name: fitted(record.get(field.name), field.type) for field in schema})
                if len(rows) == BATCH:
                    file.write_table(pa.Table.from_pylist(rows, schema))
                    rows = []
            file.write_table(pa.Table.from_pylist(rows, schema))


class _Lines:
    """A CSV file whose lines end in a line feed alone.

    The writer puts what holds a carriage return into quotation marks only if its own lines end in one.
    """

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, line: str) -> int:
        return self.file.write(line.removesuffix("\r\n") + "\n")


def flat(record: Record) -> Record:
    """Return the columns of a record: its fields, and the inputs as `inputs.<field>`."""
    inputs = {f"inputs.{name}": value for name, value in record.get("inputs", {}).items()}
    return {name: value for name, value in record.items() if name != "inputs"} | inputs


def cell(value: Any) -> str:
    """Write a value as a cell of text: lists, objects, and true and false, as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def type_of(value: Any) -> str:
    """Name the type of a value as a column of Parquet could hold it; nothing is in none."""
    if isinstance(value, list):
        return "texts" if all(isinstance(item, str) for item in value) else "json"
    if type(value) is int and not -(2**63) <= value < 2**63:
        return "json"
    if type(value) is int and abs(value) > EXACT:
        return "long"
    names = {type(None): "", bool: "bool", int: "int", float: "float", str: "text"}
    return names.get(type(value), "json")


def column_type(name: str, types: set[str]) -> pa.DataType:
    """Choose the type of a column: that of all its values, and JSON text where they differ."""
    if name in KNOWN:
        return KNOWN[name]
    found = types - {""}
    if found == {"int", "float"}:
        return pa.float64()
    if found and found <= {"int", "long"}:
        return pa.int64()
    known = {"bool": pa.bool_(), "float": pa.float64(), "texts": pa.list_(pa.string())}
    return known.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string()


def fitted(value: Any, kind: pa.DataType) -> Any:
    """Return a value as a column of this type takes it."""
    if value is None:
        return None
    if pa.types.is_map(kind):
        return list(value.items())
    return cell(value) if pa.types.is_string(kind) else value


def _escaped(text: str) -> str:
    for char, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(char, written)
    return text


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot be written ({error.strerror})", where=path, do="choose another file")
