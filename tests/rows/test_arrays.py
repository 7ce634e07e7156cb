"""Columns of numbers as arrays, and columns in memory, which read as a `datasets.Dataset` of the same values does."""

import numpy as np
import pytest
from datasets import Dataset

from ptv2.rows.arrays import Columns, column, compact, counts

DATA = Dataset.from_dict({"length": [5, 3, 9, 7], "text": list("abcd")})


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (DATA, [5, 3, 9, 7]),
        (DATA.select([2, 0]), [9, 5]),
        (DATA.select(range(1, 3)), [3, 9]),
        (DATA.sort("length"), [3, 5, 7, 9]),
        (DATA.with_format("numpy"), [5, 3, 9, 7]),
        (DATA.select([]), []),
    ],
)
def test_a_column_has_the_rows_of_its_data_set(data, numbers):
    found = column(data, "length")
    assert found.tolist() == numbers and (not numbers or found.dtype == np.int32)


def test_numbers_that_need_it_are_wide():
    assert compact([2**31]).dtype == np.int64 and compact([2**31 - 1]).dtype == np.int32


CASES = {
    "texts": {"input_ids": [[1, 2, 3], [4], []], "length": [3, 1, 0], "row": [0, 1, 1]},
    "choices": {"input_ids": [[[1, 2], [3]], [[4]]], "length": [2, 1]},
    "lacking": {"word": ["a", None], "spans": [[{"start": 1, "end": 2}], []], "ids": [None, [1]]},
    "arrays": {"input_ids": [np.array([1, 2]), np.array([3])], "pair": [(1, 2), (3, 4)]},
}


@pytest.mark.parametrize("name", CASES)
def test_rows_and_columns_are_those_of_a_dataset(name):
    held, expected = Columns(CASES[name]), Dataset.from_dict(CASES[name])
    assert len(held) == len(expected) and held.column_names == expected.column_names
    turned = list(range(len(held)))[::-1]
    assert held.__getitems__(turned) == expected.__getitems__(turned)
    assert [held[i] for i in turned] == [expected[i] for i in turned]
    assert all(held[key] == list(expected[key]) for key in held.column_names)


def test_no_rows():
    assert len(Columns({})) == 0 and Columns({}).column_names == [] and Columns({}).__getitems__([]) == []


def test_a_row_that_is_not_there():
    with pytest.raises(IndexError):
        Columns({"row": [1]})[1]


@pytest.mark.parametrize("make", [Columns, Dataset.from_dict])
def test_a_column_of_numbers_is_an_array(make):
    numbers = column(make({"length": [3, 1, 2]}), "length")
    assert numbers.dtype == np.int32 and numbers.tolist() == [3, 1, 2]


@pytest.mark.parametrize("make", [Columns, Dataset.from_dict, lambda lists: Dataset.from_dict(lists).select([2, 0, 1])])
@pytest.mark.parametrize("lists", [[[1, 2], [], [3]], [[[1, 2], [3]], [], [[4]]]])
def test_how_many_values_a_list_holds(make, lists):
    data = make({"input_ids": lists})
    assert counts(data, "input_ids").tolist() == [len(held) for held in data["input_ids"]]
