"""Columns of Parquet and Arrow files as a `Dataset`: the types are the file's own, and none is guessed.

Bytes become text where they are UTF-8; dates, times and decimals become their text; a dictionary (pandas' categories)
becomes its values.
"""

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ptv2.errors import UserError

if TYPE_CHECKING:
    from datasets import ClassLabel, Dataset, List

Faults = dict[str, tuple[int, str]]
"""field -> (row, what) of columns that are skipped, because they cannot be read as text."""


DAMAGED = (pa.ArrowException, OSError, ValueError, TypeError, MemoryError)


class Unreadable(Exception):
    """A column cannot be read, from this row of its file on."""

    def __init__(self, what: str, row: int = 0):
        super().__init__(what)
        self.row = row


def read_parquet(path: Path) -> pa.Table:
    """Open a Parquet file.

    Raises:
        UserError: it is not one, or it is damaged.
    """
    try:
        table = pq.ParquetFile(path).read()
        table.validate(full=True)
    except DAMAGED as error:
        raise _damaged(path, error) from error
    return table


def parquet_parts(path: Path, size: int) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file, `size` at a time.

    Raises:
        UserError: it is not one, or it is damaged.
    """
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=size):
            batch.validate(full=True)
            yield pa.Table.from_batches([batch])
    except DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    what = f"cannot be read as Parquet ({reason})"
    return UserError(what, where=path, do="check the file; it may have to be fetched again")


def dataset_of(tables: list[pa.Table]) -> tuple["Dataset", Faults]:
    """Join the rows of several files in order; columns whose types cannot be joined are skipped."""
    from datasets import Dataset, DatasetInfo, Features
    from datasets.table import InMemoryTable

    rows, faults, columns, features = sum(map(len, tables)), Faults(), {}, {}
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        first, parts = 0, []
        try:
            for table in tables:
                parts.append(_column(table, name))
                first += len(table)
            columns[name], features[name] = _joined(parts, _class_label(tables, name))
        except Unreadable as error:
            faults[name] = (first + error.row, str(error))
        except (pa.ArrowException, UserError, ValueError, TypeError, NotImplementedError) as error:
            faults[name] = (min(first, rows - 1), str(error).splitlines()[0])
    table = pa.table(columns)
    if not columns and rows:  # a `Dataset` cannot hold rows without columns
        return Dataset.from_dict({"": [None] * rows}), faults
    return Dataset(InMemoryTable(table), info=DatasetInfo(features=Features(features))), faults


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Return a column of a file; nulls where the file lacks it."""
    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(len(table))])
    if table.column_names.count(name) > 1:
        raise Unreadable("appears twice in the file")
    column = table.column(name)
    wanted = _plain(column.type)
    if wanted == column.type:
        return column
    try:
        return pa.chunked_array([_as_plain(chunk, wanted) for chunk in column.chunks], type=wanted)
    except pa.ArrowException as error:
        what = f"cannot be read as text (it is {column.type}: {str(error).splitlines()[0]})"
        raise Unreadable(what, _first_not(column, wanted)) from error


def _as_plain(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Return values as they are read, inside of lists and objects too: times as text, 0.1 of 32 bits as 0.1."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _as_plain(array.storage, wanted)
    if isinstance(array, pa.DictionaryArray):
        return _as_plain(array.dictionary_decode(), wanted)
    if pa.types.is_list(wanted):
        ends = np.cumsum(pc.call_function("list_value_length", [array]).fill_null(0).to_numpy(), dtype=np.int32)
        values = _as_plain(array.flatten(), wanted.value_type)
        return pa.ListArray.from_arrays(pa.array([0, *ends], pa.int32()), values, mask=array.is_null())
    if pa.types.is_struct(wanted):
        parts = [_as_plain(part, field.type) for part, field in zip(array.flatten(), wanted, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(wanted), mask=array.is_null())
    if pa.types.is_float32(kind):
        return array.cast(pa.string()).cast(pa.float64())
    if pa.types.is_float16(kind):  # Arrow writes all digits of these
        short = (None if value is None else float(str(np.float16(value))) for value in array.to_pylist())
        return pa.array(list(short), pa.float64())
    if pa.types.is_duration(kind):
        lengths = array.cast(pa.duration("us"), safe=False).to_pylist()
        return pa.array([None if length is None else str(length) for length in lengths], pa.string())
    made = array.cast(wanted)
    if not pa.types.is_temporal(kind):
        return made
    # The unit of a time is the file's, not the value's: 10:00:00.000000 is 10:00:00.
    options = pc.ReplaceSubstringOptions(r"\.0+(Z?)$", r"\1")
    return pc.call_function("replace_substring_regex", [made], options)


def _first_not(column: pa.ChunkedArray, wanted: pa.DataType) -> int:
    """Find the first row of a column that is not of the wanted type."""

    def fails(count: int) -> bool:
        try:
            column.slice(0, count).cast(wanted)
        except pa.ArrowException:
            return True
        return False

    return bisect_left(range(1, len(column)), True, key=fails)


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column of this type is read as."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(kind.storage_type)
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        return pa.float64()
    texts = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_fixed_size_binary,
        pa.types.is_binary_view,
        pa.types.is_string_view,
        pa.types.is_large_string,
        pa.types.is_temporal,
        pa.types.is_decimal,
    )
    return pa.string() if any(test(kind) for test in texts) else kind


def _joined(parts: list[pa.ChunkedArray], declared: Any) -> tuple[pa.ChunkedArray, Any]:
    """Join the column of all files, and return what `datasets` is told of its type."""
    from datasets import ClassLabel
    from datasets.features.features import generate_from_arrow_type

    schemas = [pa.schema([("column", part.type)]) for part in parts]
    kind = pa.unify_schemas(schemas, promote_options="permissive").field("column").type
    if isinstance(declared, ClassLabel):
        kind = pa.int64()
    elif declared is not None:
        kind = pa.list_(pa.int64())
    feature = generate_from_arrow_type(kind) if declared is None else declared
    return pa.chunked_array([chunk for part in parts for chunk in part.cast(kind).chunks], type=kind), feature


def _class_label(tables: list[pa.Table], name: str) -> "ClassLabel | List | None":
    """Find the names that the files declare for the ids in a column (or in its lists).

    Raises:
        UserError: two files declare different ones.
    """
    from datasets import ClassLabel, Features

    found = []
    for table in tables:
        try:
            feature = Features.from_arrow_schema(table.schema).get(name)
        except (ValueError, TypeError, NotImplementedError, KeyError):  # a type that `datasets` does not know
            continue
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, ClassLabel) and feature not in found:
            found.append(feature)
    if len(found) > 1:
        raise UserError("the files declare different names for its ids")
    return found[0] if found else None
