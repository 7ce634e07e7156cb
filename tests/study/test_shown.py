"""A table of runs keeps a column in which a run has a value, 0 among them."""

from ptv2.study.beside import COLUMNS, Beside
from ptv2.study.shown import shown


def table(**values):
    line = dict.fromkeys(COLUMNS) | {"run": "first", "method": "deep", "task": "topics", "split": "test"}
    line |= {
        "metric": "accuracy",
        "rows": 16,
        "of": 16,
        "score": 0.75,
        "seeds": [0],
        "state": "finished",
        "other_rows": False,
    } | values
    return shown([Beside("topics", "topics", "test", "accuracy", [line], 0.5, None)])


def test_a_run_of_less_than_half_a_second_with_seed_0_has_both_columns():
    found = table(seconds=0.4)
    assert dict(zip(found.heads, found.rows[0], strict=True)) == {
        **{"run": "first (deep)", "task": "topics", "metric": "test accuracy", "rows": "16", "score": "0.7500"},
        **{"seconds": "0", "seeds": "0"},
    }


def test_a_column_that_only_the_trivial_answer_fills_is_left_out():
    assert "trainable" not in table().heads
    assert table(trainable=0).rows[1][-1] == "0"
