"""Sentences out of CoNLL files: a word and its tag a line, in columns; a blank line ends a sentence."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ptv2.errors import UserError
from ptv2.rows.table import Table
from ptv2.rows.text import opened

DOCUMENT = "-DOCSTART-"
TAG = re.compile(r"O|[BIESLUM][-_]\S+")
NOT_A_WORD = re.compile(r"\d+-\d+|\d+\.\d+")  # of CoNLL-U: several words written as one, and words that are not written

NUMBERED = re.compile(r"(\d{1,9})(?:-(\d{1,9})|\.(\d{1,9}))?")


@dataclass(frozen=True)
class Columns:
    """Which columns of a CoNLL file are read, and the fields they become."""

    tokens: str = "tokens"  # field of the words
    tags: str = "ner_tags"  # field of the tags
    token_column: int = 0
    tag_column: int = -1


def read_conll(path: Path, columns: Columns) -> tuple[Table, array]:
    """Read a row per sentence, and the line each begins at.

    Raises:
        UserError: see `conll_sentences`.
    """
    table, lines = Table(), array("Q")
    for first, tokens, tags in conll_sentences(path, columns):
        table.add({columns.tokens: tokens, columns.tags: tags})
        lines.append(first)
    return table, lines


def conll_sentences(path: Path, columns: Columns) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield the sentences of a CoNLL file as (first line, tokens, tags).

    Columns are separated by tabs, or by spaces where a line has no tab. Skipped are `-DOCSTART-` lines, comments (lines
    that begin with # before a sentence, unless they have a word's columns and a known tag) and, where the first column
    numbers the words, CoNLL-U's ranges (1-2) and empty nodes (1.1). Tags are kept as they are (IOB1 stays IOB1).

    Raises:
        UserError: a line without the columns asked for, or with others than the line before it in its sentence.
    """
    width, known, numbered = _form(path, columns)
    first, count, tokens, tags = 0, 0, [], []
    with opened(path, newline=None) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip() or line.startswith(DOCUMENT):
                if tokens:
                    yield first, tokens, tags
                tokens, tags = [], []
                continue
            cells = _cells(line)
            if line.startswith("#") and not tokens and not _is_word(line, cells, columns, width, known):
                continue
            if numbered and columns.token_column != 0 and NOT_A_WORD.fullmatch(cells[0]):
                continue
            try:
                token, tag = cells[columns.token_column].strip(), cells[columns.tag_column].strip()
            except IndexError:
                token = tag = ""
            if len(cells) < 2 or not token or not tag:
                raise UserError(
                    f"no token and tag in {len(cells)} column(s)",
                    where=f"{path}:{number}",
                    do="separate them by a tab or a space, or set task.options.token_column and tag_column",
                )
            if tokens and len(cells) != count:
                what = f"{len(cells)} columns, the line before has {count}"
                raise UserError(what, where=f"{path}:{number}", do="give each line the same, separated by tabs")
            if not tokens:
                first, count = number, len(cells)
            tokens.append(token)
            tags.append(tag)
    if tokens:
        yield first, tokens, tags


def _form(path: Path, columns: Columns) -> tuple[int, set[str], bool]:
    """Look through a file.

    Returns:
        The number of columns of the first word, every tag of lines that do not begin with #, and whether the first
        column numbers the words of each sentence.

    Raises:
        UserError: the words are the numbers of a CoNLL-U file.
    """
    width, known, begin = 0, set(), []
    numbered, place = True, None
    with opened(path, newline=None) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip() or line.startswith(("#", DOCUMENT)):
                place = place if line.strip() else None
                continue
            cells = _cells(line)
            width = width or len(cells)
            if numbered:
                place = _numbered(cells[0], place)
                numbered = place is not None
            if -len(cells) <= columns.tag_column < len(cells):
                known.add(cells[columns.tag_column].strip())
            if len(begin) < 2:
                begin.append(cells[0])
            if width == 10 and columns.token_column == 0 and begin in (["1", "2"], ["1-2", "1"]):
                do = "set task.options.token_column=1, and tag_column=3 for parts of speech"
                raise UserError("the first column numbers the words, as in CoNLL-U", where=f"{path}:{number}", do=do)
    return width, known, numbered


def _numbered(cell: str, before: tuple[int, int] | None) -> tuple[int, int] | None:
    """Read a cell as the number of what stands next in a sentence of CoNLL-U; None where it is not that.

    Args:
        cell: of the first column.
        before: the number of the last word, and how many empty nodes stand behind it; None: the sentence begins.
    """
    word, empty = before or (0, 0)
    if (found := NUMBERED.fullmatch(cell)) is None:
        return None
    number, is_range, part = int(found[1]), found[2] is not None, found[3]
    if part is not None:
        return (word, empty + 1) if (number, int(part)) == (word, empty + 1) else None
    if is_range:  # stands before the words that it names
        return (word, empty) if number == word + 1 else None
    return (number, 0) if number == word + 1 or (before is None and number == 0) else None


def _is_word(line: str, cells: list[str], columns: Columns, width: int, known: set[str]) -> bool:
    """Tell whether a line that begins with # is a word with a tag and not a comment."""
    if len(cells) != width or not -width <= columns.tag_column < width:
        return False
    if "\t" in line and " " not in cells[0]:
        return True
    tag = cells[columns.tag_column].strip()
    return tag in known or TAG.fullmatch(tag) is not None


def _cells(line: str) -> list[str]:
    line = line.rstrip("\r\n")
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
