"""Columns of numbers as arrays, of whole data sets and of parts of them in another order."""

import numpy as np
import pytest
from datasets import Dataset

from ptv2.rows.arrays import column, compact

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
