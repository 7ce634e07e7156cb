"""Rows that came one by one: each value keeps its own type, and only what a card reads is looked at."""

import datetime

import numpy as np
import pandas as pd
import pytest

from ptv2.errors import UserError
from ptv2.rows.asked import of_python
from ptv2.rows.columns import refuse_unfit, rows_of


def read(*values):
    asked = of_python([{"x": value, "text": "a"} for value in values])
    return rows_of(asked, range(len(values)), {"x"}, "input").data.to_list()


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        (2**70, 2**70),
        (float("nan"), None),  # how pandas writes a missing value
        (pd.NA, None),
        (pd.NaT, None),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (datetime.date(2024, 5, 1), "2024-05-01"),
        ({"a": (1, "b")}, {"a": [1, "b"]}),
    ],
)
def test_a_value_is_kept(value, read_as):
    assert read(value) == [{"x": read_as}]


def test_values_of_other_types_stand_beside_each_other():
    assert read(1, "1", {"a": 1}, [{"b": 2}, 3]) == [{"x": 1}, {"x": "1"}, {"x": {"a": 1}}, {"x": [{"b": 2}, 3]}]


def test_bytes_are_refused_by_their_row():
    with pytest.raises(UserError, match=r"^row 1: a field holds bytes; write it as text"):
        read("a", b"a")


def test_labels_and_texts_may_be_numbers_beside_texts_and_must_be_there():
    asked = of_python([{"text": "a", "label": 1}, {"text": "b", "label": "1"}, {"text": "c"}, {"text": 5, "label": 1}])
    refuse_unfit(asked, range(4), {"text"}, "label")
    assert {row: str(error).partition(":")[2][:26] for row, error in asked.bad.items()} == {
        2: " field 'label' is missing,",
    }
