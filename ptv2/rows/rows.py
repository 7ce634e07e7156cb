"""Rows: those of one split, each with its place for messages, and some of them chosen or drawn."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from ptv2.errors import UserError
from ptv2.rows.table import Table

if TYPE_CHECKING:
    from datasets import Dataset


class Places(Protocol):
    """What tells where the rows of a whole split stand."""

    def where(self, row: int) -> str: ...


@dataclass(frozen=True)
class Rows:
    """Rows of one split.

    Args:
        data: the rows, in the order of their source; of text files a `Table`, else a `Dataset`.
        split: train, validation or test.
        fingerprint: of the content; equal in every process and run that reads the same rows.
        places: where the rows of the whole split stand.
        kept: index in the whole split of each row here; None: all of them are here.
    """

    data: "Dataset | Table"
    split: str
    fingerprint: str
    places: Places
    kept: tuple[int, ...] | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows, each a dict."""
        return iter(cast(Iterable[dict[str, Any]], self.data))

    def where(self, i: int) -> str:
        """Tell where row `i` stands: file and line, or the split and the row's number in it (from 0)."""
        return self.places.where(self.number(i))

    def number(self, i: int) -> int:
        """Return the number of row `i` in its source, from 0: rows that are left out are counted."""
        return i if self.kept is None else self.kept[i]

    def with_data(self, data: "Dataset | Table") -> "Rows":
        """Return the same places with other content, row for row; its fingerprint is that of the content."""
        content = hashlib.sha256(repr((self.fingerprint, data.to_list())).encode()).hexdigest()
        return replace(self, data=data, fingerprint=content)

    def draw(self, limit: int | None, seed: int) -> "Rows":
        """Draw at most `limit` of these rows with the seed; they keep their order.

        Raises:
            UserError: the limit is below 1.
        """
        if limit is not None and limit < 1:
            raise UserError(f"limit is {limit}", where=f"data.limit.{self.split}", do="use 1 or more")
        if limit is None or limit >= len(self.data):
            return self
        return self.select(sorted(random.Random(seed).sample(range(len(self.data)), limit)))

    def select(self, wanted: list[int]) -> "Rows":
        """Return these rows alone."""
        kept = tuple(i if self.kept is None else self.kept[i] for i in wanted)
        fingerprint = hashlib.sha256(repr((self.fingerprint, kept)).encode()).hexdigest()
        return replace(self, data=self.data.select(wanted), fingerprint=fingerprint, kept=kept)
