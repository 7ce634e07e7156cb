"""Rows that came one by one as the columns of a task: a field has values of one type."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from datasets import Dataset

from ptv2.errors import UserError
from ptv2.rows.asked import Asked
from ptv2.rows.rows import Rows

LIMIT = 2**63  # what a column of whole numbers holds


@dataclass(frozen=True)
class Chosen:
    """Some of the rows that were asked for, and where they stand."""

    asked: Asked
    numbers: Sequence[int]

    def where(self, row: int) -> str:
        return self.asked.places[self.numbers[row]]


def refuse_unfit(asked: Asked, numbers: Sequence[int], fields: set[str]) -> None:
    """Mark the rows that lack a field, or hold another type in it than most of these rows."""
    for i in numbers:
        if missing := sorted(fields - set(asked.rows[i])):
            what = f"field '{missing[0]}' is missing, only {', '.join(asked.rows[i])}"
            asked.refuse(i, UserError(what, where=asked.places[i]))
    for field in sorted(fields):
        types = {i: found for i in numbers if (found := _type(asked.rows[i].get(field)))}
        if not types:
            continue
        usual = Counter(types.values()).most_common(1)[0][0]
        first = next(i for i in numbers if types.get(i) == usual)
        for i, found in types.items():
            if found != usual:
                what = f"rows differ in type: '{field}' is {found} here, {usual} at {asked.places[first]}"
                asked.refuse(i, UserError(what, where=asked.places[i], do="use one type per field"))


def rows_of(asked: Asked, numbers: Sequence[int], fields: set[str], split: str) -> Rows:
    """Make of these rows a split with these fields; None where a row has no such field.

    Raises:
        UserError: types that differ deep inside of a field.
    """
    columns = {field: [asked.rows[i].get(field) for i in numbers] for field in sorted(fields)}
    try:
        data = Dataset.from_dict(columns)
    except (pa.ArrowException, OverflowError) as error:
        raise UserError(f"rows differ in type ({error})", where=asked.name, do="use one type per field") from error
    content = hashlib.sha256(json.dumps(columns, default=str).encode()).hexdigest()
    return Rows(data, split, content, Chosen(asked, tuple(numbers)))


def _type(value: Any) -> str:
    """Name the type of a value for readers; None has no type, it fits anywhere."""
    if value is None:
        return ""
    if type(value) is int and not -LIMIT <= value < LIMIT:
        return "a number of more than 64 bits"
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), f"of type {type(value).__name__}")
