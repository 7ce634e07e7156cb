"""Rows out of JSON: one object a line, or a document that holds them (see `json_documents`)."""

import json
from array import array
from math import inf, isfinite
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.rows.json_documents import flat, rows_in
from ptv2.rows.table import Row, Table
from ptv2.rows.text import opened

CONSTANTS = {"NaN": None, "Infinity": inf, "-Infinity": -inf}
"""What some writers put into JSON: NaN is how pandas writes a missing value."""


class Repeated(ValueError):
    """A key appears twice in an object."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise Repeated(next(key for key in keys if keys.count(key) > 1))
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=CONSTANTS.__getitem__)


def read_json(path: Path) -> tuple[Table, array | None]:
    """Read the rows of a JSON file, and the line of each (None: the file is one document).

    Values keep the types that they have in their own row: a string stays a string, whatever it looks like.

    Raises:
        UserError: not JSON, or rows that are not objects; names the line, or the row of a document.
    """
    table, lines = Table(), array("Q")
    with opened(path, newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if not lines and begins_document(line):
                return _from_document(_parsed_document(line, file.read(), path, number), path), None
            _add(table, parsed(line, f"{path}", number), f"{path}:{number}")
            lines.append(number)
    rows = rows_in(table[0], str(path)) if len(table) == 1 else None
    if rows is None and "paragraphs" in table.column_names:
        rows = table.to_list()
    return (table, lines) if rows is None else (_from_document(rows, path), None)


def parsed(text: str, path: str, line: int) -> Any:
    """Parse the JSON value of a text that begins at `line`.

    Raises:
        UserError: not JSON, or a key appears twice in an object.
    """
    try:
        return DECODER.decode(text.strip())
    except json.JSONDecodeError as error:
        where = f"{path}:{line + error.lineno - 1}"
        what = f"not valid JSON ({error.msg}, column {error.colno})"
        raise UserError(what, where=where, do="write one JSON object a line") from error
    except Repeated as error:
        raise UserError(f"'{error}' appears twice", where=f"{path}:{line}", do="give each field once") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise UserError(f"not readable JSON ({error})", where=f"{path}:{line}", do="correct the row") from error


def begins_document(line: str) -> bool:
    """Tell whether a first line begins a document of several lines, or an array, instead of being a row."""
    if line.lstrip().startswith("["):
        return True
    try:
        DECODER.decode(line.strip())
    except json.JSONDecodeError as error:
        return error.pos >= len(line.strip())  # nothing is wrong with it but its end
    except (ValueError, RecursionError):
        pass
    return False


def holds_rows(line: str) -> bool:
    """Tell whether a text of one line is a document that holds rows, instead of being a row."""
    try:
        return rows_in(DECODER.decode(line.strip()), "") is not None
    except (ValueError, RecursionError):
        return False
    except UserError:  # rows that are refused when they are read
        return True


def _parsed_document(first: str, rest: str, path: Path, line: int) -> list[Any]:
    if first.lstrip().startswith("{") and rest.startswith("{"):  # JSON lines whose first is broken
        parsed(first, str(path), line)
    value = parsed(first + rest, str(path), line)
    found = value if isinstance(value, list) else rows_in(value, str(path))
    return [value] if found is None else found


def _from_document(rows: list[Any], path: Path) -> Table:
    table = Table()
    for number, value in enumerate(rows):
        place = f"{path}, row {number}"
        for row in flat(value, place):
            _add(table, row, place)
    return table


def _add(table: Table, row: Any, place: str) -> None:
    if not isinstance(row, dict):
        raise UserError("not a JSON object", where=place, do='write a row as {"field": value, ...}')
    try:
        table.add(row)
    except RecursionError as error:
        raise UserError("brackets inside brackets too deep to read", where=place, do="correct the row") from error


def finite(value: Any) -> Any:
    """Put None for infinite numbers and NaN, which JSON does not have, as JavaScript writes them."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
