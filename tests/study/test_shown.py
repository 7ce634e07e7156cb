"""A table of runs keeps a column in which a run has a value, 0 among them."""

import pytest

from ptv2.study.beside import COLUMNS, Beside
from ptv2.study.shown import shown


def line_of(**values):
    line = dict.fromkeys(COLUMNS) | {"run": "first", "method": "deep", "task": "topics", "split": "test"}
    return line | {
        "metric": "accuracy",
        "rows": 16,
        "of": 16,
        "score": 0.75,
        "baseline": 0.5,
        "seeds": [0],
        "state": "finished",
        "other_rows": False,
    } | values  # fmt: skip


def table(*others, **values):
    lines = [line_of(**values), *(line_of(**other) for other in others)]
    return shown([Beside("topics", "topics", "test", "accuracy", lines, lines[0], "first" if others else None)])


def test_a_run_of_less_than_half_a_second_with_seed_0_has_both_columns():
    found = table(seconds=0.4)
    assert dict(zip(found.heads, found.rows[0], strict=True)) == {
        **{"run": "first (deep)", "task": "topics", "metric": "test accuracy", "rows": "16", "score": "0.7500"},
        **{"seconds": "0", "seeds": "0"},
    }


def test_a_column_that_only_the_trivial_answer_fills_is_left_out():
    assert "trainable" not in table().heads
    assert table(trainable=0).rows[1][-1] == "0"


def test_the_trivial_answer_and_validation_say_of_how_many_rows_they_are():
    found = table({"run": "b", "rows": 9, "of": 9, "other_rows": True}, of=32, validation=0.5, validation_rows=1000)
    assert found.rows[-1][found.heads.index("rows")] == "16 of 32"
    assert "topics: validation scores are of 1,000 rows" in found.notes


@pytest.mark.parametrize(
    ("paired", "shown_as"), [([1, 2], "]"), ([1], "] (seed 1)"), ([], "] (other seed)")], ids=["all", "one", "none"]
)
def test_a_difference_names_its_seeds_where_they_are_not_all(paired, shown_as):
    found = table({"seeds": [1, 2], "difference": 0.1, "low": -0.1, "high": 0.3, "paired_seeds": paired})
    assert found.rows[1][found.heads.index("difference")].endswith(shown_as)
    assert any("paired by row alone" in note for note in found.notes) == (not paired)


def test_a_run_that_was_scored_on_another_split_is_named():
    found = table({"run": "b", "split": "validation", "other_rows": True})
    assert "topics: b scored on validation, the first on test: do not compare" in found.notes
