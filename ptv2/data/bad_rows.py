"""Rows that cannot be used."""

from collections.abc import Iterator
from functools import partial

from ptv2.errors import UserError
from ptv2.kinds.features import Feature, Features
from ptv2.rows.rows import Rows


def tried(features: Features, rows: Rows, labelled: bool = True) -> Iterator[tuple[int, list[Feature] | UserError]]:
    """Encode each row: yield its features, or the error that says why it has none."""
    for index, row in enumerate(rows):
        try:
            yield index, features.encode(row, partial(rows.where, index), labelled, rows.split == "train")
        except UserError as error:
            yield index, error


def bad_rows(features: Features, rows: Rows, labelled: bool = True) -> dict[int, str]:
    """Find the rows that cannot be used: number -> why."""
    return {i: str(found) for i, found in tried(features, rows, labelled) if isinstance(found, UserError)}
