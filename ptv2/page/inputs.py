"""What the rows of a run's predictions read: from the records, or from the card's own files where these are here."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ptv2.config.cards import TaskCard, make_card
from ptv2.config.local import LOCAL_FORMATS
from ptv2.errors import UserError
from ptv2.kinds.templates import fields_of
from ptv2.model.predictions import Record
from ptv2.rows.columns import column_of


class Inputs:
    """The inputs of one split's rows.

    Args:
        card: of the task, as a run's config.yaml holds it.
        split: of the rows.
        fingerprint: of the rows that were scored; None: unknown, so rows of the files cannot be trusted.

    `missing` says why there are none, if so.
    """

    def __init__(self, card: Mapping[str, Any], split: str, fingerprint: str | None):
        self.rows: Sequence[Mapping[str, Any]] | None = None
        self.places: dict[int, int] = {}  # a row's number in its source -> its place in `rows`
        self.fields: list[str] = []
        self.missing: str | None = None
        try:
            made = make_card(dict(card))
            named = (name for text in made.inputs.values() for name in sorted(fields_of(text), key=text.find))
            self.fields = list(dict.fromkeys(named))
            self.missing = self._load(made, split, fingerprint)
        except UserError as error:
            self.missing = str(error)

    def _load(self, card: TaskCard, split: str, fingerprint: str | None) -> str | None:
        from ptv2.rows.sources import load_rows

        path = os.path.expanduser(card.dataset.path)
        if path not in ("demo", *LOCAL_FORMATS) and not Path(path).is_dir():
            return f"the rows of {path} are not in files of this machine; run.predictions.inputs=true keeps them"
        rows = load_rows(card, split)
        if rows is None or rows.fingerprint != fingerprint:
            return "the rows have changed since they were scored"
        self.rows = cast(Sequence[Mapping[str, Any]], rows.data)
        self.places = {rows.number(place): place for place in range(len(self.rows))}
        return None

    def of(self, record: Record) -> dict[str, Any]:
        """Return the fields that a record's row was read from; nothing where they are not known."""
        if "inputs" in record:
            return record["inputs"]
        number = record.get("row")
        if self.rows is None or not isinstance(number, int) or number not in self.places:
            return {}
        row = self.rows[self.places[number]]
        return {column: row.get(column) for column in dict.fromkeys(column_of(field, row) for field in self.fields)}
