"""One local file of rows. Its endings say the format in a folder, the card elsewhere; its bytes are its identity.

Lines are counted from 1, as editors do; rows from 0, as `datasets` does.
"""

import glob
from array import array
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.rows.conll import Columns, read_conll
from ptv2.rows.csv_rows import read_csv
from ptv2.rows.json_rows import read_json
from ptv2.rows.parquet_rows import read_parquet
from ptv2.rows.table import Table
from ptv2.rows.text import COMPRESSED, sha256_of

SUFFIXES = {
    "json": (".jsonl", ".json", ".ndjson"),
    "csv": (".csv", ".tsv"),
    "parquet": (".parquet",),
    "conll": (".conll", ".conllu"),
}
"""Endings of each local format, the preferred one first."""


@dataclass(frozen=True)
class Form:
    """How the files of a split are read."""

    format: str
    columns: Columns = field(default_factory=Columns)  # of CoNLL files
    delimiter: str | None = None  # of CSV files
    quoting: str | None = None

    def identity(self) -> tuple[Any, ...]:
        """Return what of this changes the rows that are read from the same bytes."""
        if self.format == "csv":
            return (self.format, self.delimiter, self.quoting)
        return (self.format, self.columns if self.format == "conll" else None)


@dataclass(frozen=True)
class RowFile:
    """One file of rows, and the line each row begins at; None where rows have no lines (Parquet, a JSON document)."""

    path: Path
    data: Table | pa.Table
    lines: array | None
    sha256: str


def form_of(card: TaskCard, format: str) -> Form:
    """How a card's files of a format are read."""
    columns = Columns(
        tokens=card.inputs.get("tokens", "tokens"),
        tags=card.label,
        token_column=int(card.options.get("token_column", 0)),
        tag_column=int(card.options.get("tag_column", -1)),
    )
    return Form(format, columns, card.dataset.delimiter, card.dataset.quoting)


@cache
def format_of(name: str) -> str | None:
    """Tell the format from a file's name, compressed or not, in capitals or not; None: not a known one."""
    name = name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(f".{ending}")
    return next((format for format, suffixes in SUFFIXES.items() if name.endswith(suffixes)), None)


def read_file(path: Path, form: Form) -> RowFile:
    """Read all rows of one file.

    Raises:
        UserError: the file is missing, empty or not of its format; names the line where there is one.
    """
    sha256, lines = sha256_of(path), None
    if form.format == "parquet":
        data = read_parquet(path)
    elif form.format == "conll":
        data, lines = read_conll(path, form.columns)
    elif form.format == "csv":
        data, lines = read_csv(path, form.delimiter, form.quoting)
    else:
        data, lines = read_json(path)
    if not len(data):
        raise UserError("the file has no rows", where=path, do="give it rows, or leave the split out")
    return RowFile(path, data, lines, sha256)


def matching(named: str | list[str], where: str, folder: Path | None = None) -> list[Path]:
    """List the files that a card names, in order: names of files as they are, and patterns such as train-*.parquet.

    Raises:
        UserError: a pattern that no file matches.
    """
    found = []
    for name in [named] if isinstance(named, str) else named:
        path = Path(name).expanduser()
        path = folder / path if folder is not None else path
        if path.exists() or not glob.has_magic(str(path)):
            found.append(path)
            continue
        files = sorted(Path(file) for file in glob.glob(str(path), recursive=True) if Path(file).is_file())
        if not files:
            raise UserError(f"no file matches '{path}'", where=where, do="correct the pattern")
        found += files
    return found
