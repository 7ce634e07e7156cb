"""Rows to be answered: JSON lines, CSV, TSV, Parquet or Python's own, and where each of them stands."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.rows.files import Form, format_of
from ptv2.rows.sources import read_files
from ptv2.rows.text import COMPRESSED

"""Endings of compressed files, which stand behind that of the format."""


@dataclass
class Asked:
    """Rows in their order.

    Args:
        name: of their source.
        rows: the fields of each; none of a row that could not be read.
        places: where each stands.
        bad: number of a row -> why it cannot be used.
    """

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    bad: dict[int, UserError] = field(default_factory=dict)

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


def of_file(source: str | Path) -> Asked:
    """Read the rows of a file, by its ending, or of standard input (`-`), which holds JSON lines.

    Raises:
        UserError: no such file, not UTF-8, or no rows; a line that is not a JSON object is a bad row.
    """
    source = str(source)
    if source != "-" and not Path(source).is_file():
        raise UserError("no such file", where=source)
    format = _format(source)
    asked = _json_rows(source) if format is None else _file_rows(Path(source), format)
    if not asked.rows:
        raise UserError("holds no rows", where=asked.name)
    return asked


def whole(value: Any) -> Any:
    """Put U+FFFD for half a surrogate pair, which UTF-8 cannot hold; whole pairs are joined."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {whole(key): whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list | tuple) else value


def _format(source: str) -> str | None:
    """Name the format whose reader takes the file; None: JSON lines that are read here, to answer line by line."""
    found = format_of(source)
    packed = source.endswith(tuple(f".{ending}" for ending in COMPRESSED))
    return found if found in ("csv", "parquet") or (packed and found == "json") else None


def _file_rows(path: Path, format: str) -> Asked:
    source = read_files([path], Form(format))
    rows = [whole(row) for row in source.data]
    return Asked(str(path), rows, [source.places.where(number) for number in range(len(rows))])


def _json_rows(source: str) -> Asked:
    asked = Asked("standard input" if source == "-" else source)
    try:
        text = (sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=asked.name, do="save it as UTF-8") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{asked.name}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            row = UserError(f"not JSON ({error})", where=place)
        if not isinstance(row, dict | UserError):
            row = UserError("a line must be a JSON object", where=place)
        asked.add(row, place)
    return asked
