"""Rows out of local files: JSON (lines or one array), CSV, Parquet and CoNLL columns.

`datasets` reads JSON, CSV and Parquet. Where it fails, the file is read again here to say which line is at fault.
Lines are counted from 1, as editors do; rows from 0, as `datasets` does.
"""

import csv
import glob
import hashlib
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json
from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetsError

from ptv2.errors import UserError

SUFFIXES = {"json": (".jsonl", ".json"), "csv": (".csv", ".tsv"), "parquet": (".parquet",), "conll": (".conll",)}
"""Endings of each local format, the preferred one first."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a CoNLL file are read, and the fields they become."""

    tokens: str = "tokens"  # field of the words
    tags: str = "ner_tags"  # field of the tags
    token_column: int = 0
    tag_column: int = -1


@dataclass(frozen=True)
class RowFile:
    """One file of rows."""

    path: Path
    format: str
    columns: Columns
    data: Dataset
    sha256: str

    @cached_property
    def lines(self) -> list[int] | None:
        """The line each row begins at; None where rows have no lines (Parquet, a JSON array)."""
        lines = _row_lines(self.path, self.format, self.columns)
        return lines if len(lines) == len(self.data) else None

    def where(self, row: int) -> str:
        """Where row `row` of this file stands."""
        return f"{self.path}, row {row}" if self.lines is None else f"{self.path}:{self.lines[row]}"


def read_file(path: Path, format: str, columns: Columns) -> RowFile:
    """All rows of one file.

    Raises:
        UserError: the file is missing, empty, not UTF-8 or not of its format; names the line where there is one.
    """
    sha256 = _checked_sha256(path, text=format != "parquet")
    if format == "conll":
        sentences = [(tokens, tags) for _, tokens, tags in conll_sentences(path, columns)]
        data = Dataset.from_dict({columns.tokens: [s[0] for s in sentences], columns.tags: [s[1] for s in sentences]})
        return RowFile(path, format, columns, data, sha256)
    # Left to itself, `datasets` turns a column of mixed types into encoded strings and pandas reads "None" as missing.
    options: dict[str, Any] = {}
    if format == "json":
        options = {"on_mixed_types": None, "parse_agent_traces": False}
    elif format == "csv":
        options = {"sep": _separator(path), "keep_default_na": False, "na_values": [""]}
    try:
        with _silent_datasets():
            data = load_dataset(format, data_files=glob.escape(str(path)), split="train", **options)
    except (DatasetsError, ValueError, OSError) as error:
        raise _fault(path, format, error) from error
    return RowFile(path, format, columns, data, sha256)


def conll_sentences(path: Path, columns: Columns) -> Iterator[tuple[int, list[str], list[str]]]:
    """Sentences of a CoNLL file as (first line, tokens, tags).

    Columns stand apart by tabs, or by blanks where a line has no tab; a blank line ends a sentence; `-DOCSTART-` lines
    are dropped. Tags are kept as they are (IOB1 stays IOB1).

    Raises:
        UserError: a line without the columns asked for.
    """
    first, tokens, tags = 0, [], []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip() or line.startswith("-DOCSTART-"):
                if tokens:
                    yield first, tokens, tags
                tokens, tags = [], []
                continue
            cells = line.rstrip("\n").split("\t") if "\t" in line else line.split()
            try:
                token, tag = cells[columns.token_column].strip(), cells[columns.tag_column].strip()
            except IndexError:
                token = tag = ""
            if len(cells) < 2 or not token or not tag:
                raise UserError(
                    f"no token and tag in {len(cells)} column(s)",
                    where=f"{path}:{number}",
                    do="separate them by a tab or a blank, or set task.options.token_column and tag_column",
                )
            if not tokens:
                first = number
            tokens.append(token)
            tags.append(tag)
    if tokens:
        yield first, tokens, tags


def _checked_sha256(path: Path, text: bool) -> str:
    """Digest of the file's bytes, after checking that there are some and that text is UTF-8."""
    if not path.exists():
        raise UserError("no such file", where=path, do="check task.dataset.data_files")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error
    if not content.strip():
        raise UserError("the file is empty", where=path, do="give it rows, or leave the split out")
    if text:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise UserError("not UTF-8 text", where=f"{path}:{line}", do="save the file as UTF-8") from error
    return hashlib.sha256(content).hexdigest()


def _separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _row_lines(path: Path, format: str, columns: Columns) -> list[int]:
    """The line each row begins at, or an empty list where the format has no lines."""
    if format == "conll":
        return [line for line, _, _ in conll_sentences(path, columns)]
    if format == "json":
        with path.open("rb") as file:
            return [number for number, line in enumerate(file, start=1) if line.strip()]
    if format == "csv":
        starts, ended = [], 0
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=_separator(path))
            for cells in reader:
                if cells:
                    starts.append(ended + 1)
                ended = reader.line_num
        return starts[1:]  # the first is the header
    return []


@contextmanager
def _silent_datasets() -> Iterator[None]:
    """Keeps `datasets` from logging a failure that is reported as one line anyway."""
    logger = logging.getLogger("datasets")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _fault(path: Path, format: str, error: Exception) -> UserError:
    """What a user should read when `datasets` could not read the file."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    if "corresponds to no data" in reason:
        return UserError("the file has no rows", where=path, do="give it rows, or leave the split out")
    if format == "json":
        try:
            _scan_json(path)
        except UserError as found:
            return found
    line = re.search(r"\bline (\d+)", reason) if format == "csv" else None
    where = f"{path}:{line[1]}" if line else path
    return UserError(f"cannot be read as {format} ({reason})", where=where, do="check the file and task.dataset.path")


def _scan_json(path: Path) -> None:
    """Raises a UserError at the first row that is no JSON object or whose types differ from the rows before it."""
    seen: dict[str, tuple[str, str]] = {}
    for place, text, value in _json_values(path):
        if not isinstance(value, dict):
            raise UserError("not a JSON object", where=place, do='write a row as {"field": value, ...}')
        for field, kind in _kinds(value):
            first_kind, first_place = seen.setdefault(field, (kind, place))
            if kind != first_kind:
                what = f"'{field}' is {kind} here but {first_kind} at {first_place}"
                raise UserError(what, where=place, do="use one type in every row")
        try:
            pyarrow.json.read_json(io.BytesIO(text.encode()))
        except pa.ArrowInvalid as error:
            raise UserError(str(error).removesuffix(" in row 0"), where=place, do="correct the row") from error


def _json_values(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(place, its text, its value) of every row of a JSON file."""
    content = path.read_text(encoding="utf-8-sig")
    if content.startswith("["):
        for row, value in enumerate(_parse(content, path, 1)):
            yield f"{path}, row {row}", json.dumps(value), value
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line, _parse(line, path, number)


def _parse(text: str, path: Path, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{line + error.lineno - 1}"
        what = f"not valid JSON ({error.msg}, column {error.colno})"
        raise UserError(what, where=where, do="write one JSON object a line") from error


def _kinds(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """(dotted field, JSON type) of everything inside a row; a null has no type."""
    if field and value is not None:
        names = {bool: "true/false", int: "a number", float: "a number", str: "a string", list: "a list"}
        yield field, names.get(type(value), "an object")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _kinds(inner, f"{field}.{key}" if field else key)
    elif isinstance(value, list):
        for inner in value:
            yield from _kinds(inner, f"{field}[]")
