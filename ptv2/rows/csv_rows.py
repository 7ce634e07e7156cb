"""Rows out of CSV and TSV. Every cell is text: 00123 stays 00123, and a kind that needs a number reads it."""

import csv
import re
import sys
import warnings
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ptv2.errors import UserError, nearest
from ptv2.rows.table import Row, Table
from ptv2.rows.text import opened

QUOTING = {"minimal": csv.QUOTE_MINIMAL, "none": csv.QUOTE_NONE}
OTHERS = {";": "';'", "\t": "tab", "|": "'|'", ",": "','"}
"""Delimiters that a header is searched for where it has one cell alone, as they are written in a card."""
SEP = re.compile(r"sep=.?", re.IGNORECASE)
"""The line that spreadsheets write before the header."""

QUOTED = re.compile(r'"(?:[^"]|"")*"')
"""A cell as writers of CSV put it: in quotation marks, those inside of it doubled."""


def read_csv(path: Path, delimiter: str | None = None, quoting: str | None = None) -> tuple[Table, array]:
    """Read the rows of a file with a header, and the line each begins at; see `csv_rows`."""
    table, lines = Table(), array("Q")
    for line, row in csv_rows(path, delimiter, quoting, table.faults):
        table.add(row)
        lines.append(line)
    return table, lines


def csv_rows(
    path: Path, delimiter: str | None, quoting: str | None, faults: dict[str, tuple[int, str]]
) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a file with a header, and the line each begins at. An empty cell is a missing one (None).

    Args:
        path: the file.
        delimiter: one character, or `tab`; None: a tab in .tsv files, else a comma.
        quoting: minimal: a cell in quotation marks may hold delimiters and line breaks. none: a quotation mark is a
            character as any other. None: none in .tsv files, else minimal.
        faults: gets the fields that cannot be read, see `Table`.

    Raises:
        UserError: a row of more or fewer cells than the header, a quotation mark that is not closed, no rows, no header
            but the line with which spreadsheets name the delimiter.
    """
    tabs = is_tsv(path)
    mark = _delimiter(delimiter) if delimiter is not None else "\t" if tabs else ","
    if quoting is not None and quoting not in QUOTING:
        raise UserError(f"quoting is '{quoting}'", where="task.dataset.quoting", do=nearest(quoting, QUOTING))
    quoted = quoting == "minimal" or (quoting is None and not tabs)
    form: dict[str, Any] = {"delimiter": mark, "strict": True, "quoting": QUOTING["minimal" if quoted else "none"]}
    doubtful = not quoted and quoting is None
    csv.field_size_limit(sys.maxsize)
    ended = 0
    with opened(path, newline="") as file:
        read: list[str] = []
        reader = csv.reader(_remembered(file, read), skipinitialspace=True, **form)
        try:
            header = next((cells for cells in reader if any(cells)), [])
            ended = reader.line_num
            *_, plain = [[], *csv.reader(read, delimiter=mark, quoting=form["quoting"])]
            spaced = any(name.startswith(" ") for name in plain[1:])  # written with a space after each delimiter
            names = _names(header, mark, f"{path}:{ended}")
            twice = [name for name, count in Counter(names).items() if count > 1 and name]
            faults |= {name: (0, "appears twice in the header") for name in twice}
            reader = csv.reader(file, skipinitialspace=spaced, **form)
            before = ended
            for cells in reader:
                begin, ended = ended + 1, before + reader.line_num
                if not cells or (len(cells) == 1 < len(names) and not cells[0].strip()):
                    continue
                if len(cells) != len(names):
                    what = f"{len(cells)} cell(s), the header has {len(names)}"
                    raise UserError(what, where=f"{path}:{begin}", do=_advice(mark, quoted))
                if doubtful and any('""' in cell[1:-1] and QUOTED.fullmatch(cell) for cell in cells):
                    doubtful = False
                    what = f"{path}:{begin}: a cell stands in quotation marks that are read as part of it"
                    warnings.warn(f"{what}; set task.dataset.quoting to minimal, or to none if so", stacklevel=2)
                found = zip(names, cells, strict=True)
                yield begin, {name: cell or None for name, cell in found if name and name not in twice}
        except csv.Error as error:
            do = "close the quotation mark, double those inside of a cell, or set task.dataset.quoting=none"
            raise UserError(f"cannot be read as CSV ({error})", where=f"{path}:{ended + 1}", do=do) from error


def _remembered(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    """Yield lines, and append each to `read`."""
    for line in lines:
        read.append(line)
        yield line


def is_tsv(path: Path) -> bool:
    """Tell whether a file's name says that it is separated by tabs, compressed or not."""
    return ".tsv" in [ending.lower() for ending in path.suffixes]


def _delimiter(given: str) -> str:
    mark = "\t" if given in ("tab", "\\t") else given
    if len(mark) != 1 or mark in '"\r\n ':
        raise UserError(f"'{given}' is not a delimiter", where="task.dataset.delimiter", do="use one character, or tab")
    return mark


def _names(header: list[str], delimiter: str, where: str) -> list[str]:
    """Return the columns' names without spaces around them."""
    names = [name.strip() for name in header]
    if names and SEP.fullmatch(names[0]) and not any(names[1:]):
        raise UserError("the first line names the delimiter, not the columns", where=where, do="remove this line")
    other = next((mark for mark in OTHERS if mark != delimiter and len(names) == 1 and mark in names[0]), None)
    if other is not None:
        do = f"set task.dataset.delimiter={OTHERS[other]} if its cells are separated by that"
        raise UserError(f"one column, '{names[0]}'", where=where, do=do)
    return names


def _advice(delimiter: str, quoted: bool) -> str:
    if quoted:
        return f"put cells that hold '{delimiter}' into quotation marks, or set task.dataset.delimiter"
    return "a cell cannot hold a tab or line break; set task.dataset.quoting=minimal if cells are in quotation marks"
