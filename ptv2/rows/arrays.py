"""Columns of numbers as arrays: a list of Python numbers takes ten times the memory, and is slower to go through."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pyarrow as pa
from datasets import Dataset


def column(data: Dataset, name: str) -> np.ndarray:
    """Return a column of whole numbers, int32 where they fit."""
    if data._indices is None:  # all rows of its table, in their order
        return compact(data.data.column(name).to_numpy())
    table = cast(pa.Table, data.select_columns([name]).with_format("arrow")[:])
    return compact(table.column(name).to_numpy())


def compact(numbers: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return whole numbers as an array, int32 where they fit."""
    held = np.asarray(numbers)
    small = not len(held) or (held.min() >= -(2**31) and held.max() < 2**31)
    return held.astype(np.int32 if small else np.int64, copy=False)
