"""Columns of numbers as arrays: a list of Python numbers takes ten times the memory, and is slower to go through."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from datasets import Dataset  # a second to import, which answering rows does without


class Columns:
    """Rows in memory, with the part of the interface of `datasets.Dataset` that is used: that takes as long to make as
    a small backbone to read a row.

    Args:
        columns: values by name.
    """

    def __init__(self, columns: Mapping[str, list[Any]]):
        self.arrays = {name: pa.array(values) for name, values in columns.items()}

    @property
    def column_names(self) -> list[str]:
        return list(self.arrays)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()), ()))

    def __getitem__(self, key: int | str) -> Any:
        """Return a row by its number, or a column by its name."""
        if isinstance(key, str):
            return self.arrays[key].to_pylist()
        return {name: held[key].as_py() for name, held in self.arrays.items()}

    def __getitems__(self, rows: list[int]) -> list[dict[str, Any]]:
        return [self[row] for row in rows]


Encoded: TypeAlias = "Dataset | Columns"
"""The features of a split: in a file, or in memory."""


def column(data: Encoded, name: str) -> np.ndarray:
    """Return a column of whole numbers, int32 where they fit."""
    return compact(_stored(data, name).to_numpy(zero_copy_only=False))


def counts(data: Encoded, name: str) -> np.ndarray:
    """Return how many values each list of a column holds."""
    return compact(pc.call_function("list_value_length", [_stored(data, name)]).to_numpy(zero_copy_only=False))


def _stored(data: Encoded, name: str) -> pa.Array | pa.ChunkedArray:
    """Return a column as it is stored."""
    if isinstance(data, Columns):
        return data.arrays[name]
    if data._indices is None:  # all rows of its table, in their order
        return data.data.column(name)
    return cast(pa.Table, data.select_columns([name]).with_format("arrow")[:]).column(name)


def compact(numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return whole numbers as an array, int32 where they fit."""
    held = np.asarray(numbers)
    small = not len(held) or (held.min() >= -(2**31) and held.max() < 2**31)
    return held.astype(np.int32 if small else np.int64, copy=False)
