"""Names that a data set itself gives to the ids in a column, as those of the hub and their Parquet copies do."""

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ptv2.errors import UserError
from ptv2.rows.labels import Labels
from ptv2.rows.rows import Rows
from ptv2.rows.table import Table

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN = 8  # names that a message lists


def class_names(data: "Dataset | Table", field: str) -> list[str] | None:
    """Find the names that a data set itself gives to the ids in a field; None where it has none."""
    if isinstance(data, Table):
        return None
    from datasets import ClassLabel

    feature = data.features.get(field)
    feature = getattr(feature, "feature", feature)  # of a list: what it holds
    return list(feature.names) if isinstance(feature, ClassLabel) else None


def named(rows: Rows, field: str, labels: Labels, repeats: bool = True) -> Rows:
    """Replace ids by the names that their own split gives them; splits may number their classes differently.

    Where the data set calls its classes by other names throughout, a card with `label_ids` reads them as ids.

    Args:
        rows: of a split.
        field: of the labels.
        labels: of the task.
        repeats: whether an id may stand twice in a row.

    Raises:
        UserError: none of the split's names is a label, or an id appears twice in a row where none may.
    """
    own = class_names(rows.data, field)
    if own is None:
        return rows
    if not any(name in labels for name in own):
        if labels.by_id and len(own) == len(labels):
            return rows
        what = f"the classes of '{field}' are {_listed(own)} here, and {_listed(labels.names)} for {labels.origin}"
        do = "use the same names; or set label_ids: true in the card, if both are in the same order"
        raise UserError(what, where=rows.where(0), do=do)

    def name_of(value: object) -> object:
        if isinstance(value, list):
            return [name_of(item) for item in value]
        return (
            own[value] if isinstance(value, int) and 0 <= value < len(own) else value if value is None else str(value)
        )

    held = cast("Dataset", rows.data)  # a table declares no names
    ids = list(held[field])
    if not repeats:
        twice = next((i for i, value in enumerate(ids) if isinstance(value, list) and len({*value}) < len(value)), None)
        if twice is not None:
            do = "give each label once; a column of vectors of 0 and 1 holds numbers, not ClassLabel ids"
            raise UserError(f"an id appears twice in field '{field}'", where=rows.where(twice), do=do)
    names = [name_of(value) for value in ids]
    data = held.remove_columns(field).add_column(field, names).select_columns(held.column_names)
    renamed = hashlib.sha256(repr((rows.fingerprint, own)).encode()).hexdigest()
    return replace(rows, data=data, fingerprint=rows.fingerprint if own == labels.names else renamed)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
