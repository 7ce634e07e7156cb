"""Rows to be answered, and where each of them stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ptv2.errors import UserError


@dataclass
class Asked:
    """Rows in their order.

    Args:
        name: of their source.
        rows: the fields of each; none of a row that could not be read.
        places: where each stands.
        bad: number of a row -> why it cannot be used.
        unread: field -> why no row has it, though the file does.
        first: number of their first in the source.
    """

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    bad: dict[int, UserError] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    first: int = 0

    def add(self, row: Mapping[str, Any] | UserError, place: str) -> None:
        """Take the next row, or why it cannot be read."""
        try:
            made = row if isinstance(row, UserError) else whole(row)
        except RecursionError:
            made = UserError("a value is nested too deep", where=place, do="correct the row")
        if isinstance(made, UserError):
            self.refuse(len(self.rows), made)
        self.rows.append({} if isinstance(made, UserError) else made)
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


def whole(value: Any) -> Any:
    """Put U+FFFD for half a surrogate pair, which UTF-8 cannot hold; whole pairs are joined."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {whole(key): whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list | tuple) else value
