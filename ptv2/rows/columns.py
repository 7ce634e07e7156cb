"""Rows that came one by one as rows of a split: each value keeps its type."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.rows.asked import Asked
from ptv2.rows.json_rows import DECODER
from ptv2.rows.rows import Rows
from ptv2.rows.spans import with_tags, words_of
from ptv2.rows.table import Table


@dataclass(frozen=True)
class Chosen:
    """Some of the rows that were asked for, and where they stand."""

    asked: Asked
    numbers: Sequence[int]

    def where(self, row: int) -> str:
        return self.asked.places[self.numbers[row]]


def add_tags(asked: Asked, numbers: Sequence[int], card: TaskCard, scored: bool = False) -> None:
    """Make words and tags where the card makes them of spans, as it does for rows of its own.

    A row without spans, or with wrong ones, gets its words alone; with `scored`, wrong ones are marked.
    """
    names = {key: name for key in ("spans", "text") if (name := card.options.get(f"{key}_column"))}
    if "spans" not in names:
        return
    tokens, tags = card.inputs["tokens"], card.label
    for i in numbers:
        row, new = asked.rows[i], {}
        text = row.get(names["text"]) if "text" in names else None
        if (tokens if "text" in names else tags) in row or not isinstance(text or row.get(tokens), str | list):
            continue
        try:
            new = with_tags(row, names | {"tokens": tokens}, asked.places[i]) if names["spans"] in row else {}
        except UserError as error:
            if scored:
                asked.refuse(i, error)
        if isinstance(text, str):
            new = {"tokens": [text[start:end] for start, end in words_of(text)]} | new
        asked.rows[i] = row | {{"tokens": tokens, "tags": tags}[key]: value for key, value in new.items()}


def column_of(path: str, row: Mapping[str, Any]) -> str:
    """Name the column of a row in which a field lies: that of this name, or for a dotted one that of the object."""
    return path if path in row else path.partition(".")[0]


def refuse_unfit(asked: Asked, numbers: Sequence[int], fields: set[str], label: str | None = None) -> None:
    """Mark the rows that lack a field or the label's."""
    needed = fields | ({label} if label is not None else set())
    for i in numbers:
        if missing := sorted({column_of(field, asked.rows[i]) for field in needed} - set(asked.rows[i])):
            held = f"only {', '.join(asked.rows[i])}" if asked.rows[i] else "the row holds nothing"
            why = asked.unread.get(missing[0], f"is missing, {held}")
            what = f"field '{missing[0]}' {why}"
            asked.refuse(i, UserError(what, where=asked.places[i]))


def rows_of(asked: Asked, numbers: Sequence[int], fields: set[str], split: str) -> Rows:
    """Make of these rows a split with these fields, each value of its own type; None where a row has no such field.

    Raises:
        UserError: a value that is no text, number, list or object.
    """
    data, content = Table(), hashlib.sha256()
    for i in numbers:
        try:
            columns = sorted({column_of(field, asked.rows[i]) for field in fields})
            text = json.dumps({column: asked.rows[i].get(column) for column in columns}, default=_plain)
        except TypeError as error:
            raise UserError(str(error), where=asked.places[i], do="write it as text") from error
        content.update(text.encode() + b"\n")
        data.add(DECODER.decode(text))
    return Rows(data, split, content.hexdigest(), Chosen(asked, tuple(numbers)))


def _plain(value: Any) -> Any:
    """Turn what JSON does not have into what it has: NumPy's numbers and lists into Python's, dates into text."""
    if isinstance(value, bytes | bytearray):
        raise TypeError("a field holds bytes")
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' missing values
        return None
    return value.tolist() if hasattr(value, "tolist") else str(value)
