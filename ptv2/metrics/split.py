"""What every metric takes: the predictions and references of a whole split, and what else is known about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Split:
    """All predictions and references of a split, in the order of its rows.

    Args:
        predictions: one a row, in the form of its kind: a label name, tags, a text, ...
        references: one a row, in the same form; of texts, the list of all that are right.
        names: the label names in the order of their ids.
        sides: more about each row by name, see `Features.side`: its group, its log-likelihood.
        by_word: whether a row has an answer for each of its words, not one as a whole.
        language: of the texts, as an ISO 639 code; None: unknown.
    """

    predictions: Sequence[Any]
    references: Sequence[Any]
    names: Sequence[str] = ()
    sides: Sequence[dict[str, Any]] = ()
    by_word: bool = False
    language: str | None = None

    def rows(self) -> "zip[tuple[Any, Any]]":
        """Return (prediction, reference) of each row."""
        return zip(self.predictions, self.references, strict=True)
