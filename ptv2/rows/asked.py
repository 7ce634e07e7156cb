"""Rows to be answered: JSON lines, CSV, TSV, Parquet or Python's own, and where each of them stands."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.rows.files import Form, format_of
from ptv2.rows.json_rows import begins_document, holds_rows, parsed
from ptv2.rows.sources import read_files
from ptv2.rows.text import opened, sha256_of


@dataclass
class Asked:
    """Rows in their order.

    Args:
        name: of their source.
        rows: the fields of each; none of a row that could not be read.
        places: where each stands.
        bad: number of a row -> why it cannot be used.
        unread: field -> why no row has it, though the file does.
    """

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    bad: dict[int, UserError] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any] | UserError, place: str) -> None:
        """Take the next row, or why it cannot be read."""
        if isinstance(row, UserError):
            self.refuse(len(self.rows), row)
        self.rows.append({} if isinstance(row, UserError) else whole(row))
        self.places.append(place)

    def refuse(self, row: int, error: UserError) -> None:
        """Keep the first thing that is wrong with a row."""
        self.bad.setdefault(row, error)

    def check(self) -> None:
        """Refuse rows that cannot be used.

        Raises:
            UserError: what is wrong with the first of them.
        """
        if self.bad:
            raise self.bad[min(self.bad)]


def of_python(rows: Iterable[Mapping[str, Any]]) -> Asked:
    """Take rows from memory, counted from 0."""
    asked = Asked("rows")
    for number, row in enumerate(rows):
        place = f"row {number}"
        if not isinstance(row, Mapping):
            what = f"is {type(row).__name__}, not a mapping"
            row = UserError(what, where=place, do='give each row as {"field": value, ...}')
        asked.add(row, place)
    return asked


def of_file(source: str | Path, delimiter: str | None = None, quoting: str | None = None) -> Asked:
    """Read the rows of a file, by its ending, or of standard input (`-`), which holds JSON lines.

    Args:
        source: the file; without a known ending it holds JSON lines.
        delimiter: of CSV files, as a card has it.
        quoting: of CSV files, as a card has it.

    Raises:
        UserError: no such file, not UTF-8, or no rows; a line that is not a JSON object is a bad row.
    """
    if str(source) == "-":
        return _filled(_lines(_standard_input(), "standard input"))
    path = Path(source)
    if not path.is_file():
        raise UserError("no such file", where=path)
    format = format_of(path.name) or "json"
    if format == "conll":
        do = "write its words as JSON lines; ptv2.evaluate scores CoNLL files"
        raise UserError("a CoNLL file, which has tags", where=path, do=do)
    if format == "json":
        sha256_of(path)  # refuses an empty file and the like
        with opened(path, newline="") as file:
            text = file.read()
        if not _is_document(text):
            return _filled(_lines(text, str(path)))
    return _filled(_of_form(path, Form(format, delimiter=delimiter, quoting=quoting)))


def whole(value: Any) -> Any:
    """Put U+FFFD for half a surrogate pair, which UTF-8 cannot hold; whole pairs are joined."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {whole(key): whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list | tuple) else value


def _filled(asked: Asked) -> Asked:
    if not asked.rows:
        raise UserError("holds no rows", where=asked.name)
    return asked


def _is_document(text: str) -> bool:
    """Whether a JSON text is one document that holds rows, instead of one object a line."""
    first, _, rest = text.lstrip().partition("\n")
    if not first or first.startswith("["):
        return re.match(r"\[\s*\{", text.lstrip()) is not None
    return not rest.startswith("{") and (begins_document(first) or (not rest.strip() and holds_rows(first)))


def _of_form(path: Path, form: Form) -> Asked:
    source = read_files([path], form)
    rows = [whole(row) for row in source.data]
    places = [source.places.where(number) for number in range(len(rows))]
    unread = {field: what for field, (_, what) in source.faults.items() if field not in source.data.column_names}
    return Asked(str(path), rows, places, unread=unread)


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where="standard input", do="give it UTF-8") from error


def _lines(text: str, name: str) -> Asked:
    asked = Asked(name)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            row = parsed(line, name, number)
        except UserError as error:
            row = error
        if not isinstance(row, dict | UserError):
            row = UserError("a line must be a JSON object", where=place)
        asked.add(row, place)
    return asked
