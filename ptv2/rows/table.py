"""Rows as they were read: each is kept as JSON text, so that no type of a column has to be guessed."""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]


class Table:
    """Rows in the memory that their text takes, with the part of the interface of `datasets.Dataset` that is used.

    A field keeps the type that it has in its own row; a field that a row lacks is None there.

    Args:
        rows: the rows; values are those that JSON has.

    Attributes:
        column_names: every field that some row has, in the order of their first row.
        features: types that a source declares for its columns; rows of text files declare none.
        faults: field -> (row, what) for fields that cannot be read as text; refused where a card reads the field.
    """

    def __init__(self, rows: Iterable[Row] = ()):
        self.features: dict[str, Any] = {}
        self.faults: dict[str, tuple[int, str]] = {}
        self._empty: Row = {}  # every field, with nothing in it
        self._text = bytearray()
        self._ends = array("Q", [0])  # where the text of each row ends
        self._kept: Sequence[int] | None = None  # rows of the text that this table has; None: all
        for row in rows:
            self.add(row)

    @property
    def column_names(self) -> list[str]:
        return list(self._empty)

    def add(self, row: Row) -> None:
        """Append a row."""
        if row.keys() - self._empty.keys():
            self._empty |= dict.fromkeys(row)
        try:
            text = json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            text = json.dumps(row).encode()
            for field, value in row.items():
                if not _is_text(field) or not _is_text(json.dumps(value, ensure_ascii=False)):
                    self.faults.setdefault(field, (len(self), "holds half a character (a lone surrogate)"))
        self._text += text
        self._ends.append(len(self._text))

    def extend(self, other: "Table") -> None:
        """Append the rows of another table."""
        for field, (row, what) in other.faults.items():
            self.faults.setdefault(field, (len(self) + row, what))
        for row in other:
            self.add(row)

    def __len__(self) -> int:
        return len(self._ends) - 1 if self._kept is None else len(self._kept)

    def __iter__(self) -> Iterator[Row]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | str) -> Any:
        """Return a row by its number, or a column by its name."""
        if isinstance(key, str):
            if key not in self._empty:
                raise KeyError(key)
            return [row[key] for row in self]
        i = range(len(self))[key]
        i = i if self._kept is None else self._kept[i]
        return self._empty | json.loads(self._text[self._ends[i] : self._ends[i + 1]])

    def select(self, wanted: Iterable[int]) -> "Table":
        """Return these rows alone; they share their text with this table."""
        made = Table()
        made.features, made._empty, made._text, made._ends = self.features, self._empty, self._text, self._ends
        made._kept = array("Q", wanted if self._kept is None else (self._kept[i] for i in wanted))
        return made

    def to_list(self) -> list[Row]:
        return list(self)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
