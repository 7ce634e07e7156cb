"""Intervals of scores: what the rows' own luck leaves open."""

import numpy as np
import pytest

from ptv2.metrics import resample
from ptv2.metrics.resample import confidence
from ptv2.metrics.split import Split
from ptv2.metrics.sums import sums_of
from ptv2.metrics.table import METRICS


def answers(right, rows, **more):
    return Split(["a"] * right + ["b"] * (rows - right), ["a"] * rows, ("a", "b"), **more)


@pytest.mark.parametrize(("right", "rows"), [(50, 100), (150, 200), (900, 1000)])
def test_the_interval_of_a_share_is_that_of_the_binomial_distribution(right, rows):
    low, high = confidence("accuracy", answers(right, rows))
    share = right / rows
    half = 1.96 * np.sqrt(share * (1 - share) / rows)
    assert (low, high) == (pytest.approx(share - half, abs=0.02), pytest.approx(share + half, abs=0.02))


@pytest.mark.parametrize("right", [0, 7])
def test_what_all_rows_have_in_common_has_no_width(right):
    assert confidence("accuracy", answers(right, 7)) == (right / 7, right / 7)


def test_rows_of_a_group_are_drawn_together():
    together = answers(50, 100, sides=[{"group": (i // 50,)} for i in range(100)])
    low, high = confidence("accuracy", together)
    assert (low, high) == (0.0, 1.0)  # two groups, one all right and one all wrong
    alone = confidence("accuracy", answers(50, 100))
    assert alone[0] > 0.3 and alone[1] < 0.7


def test_a_large_split_is_drawn_in_parts_and_the_same_as_in_one(monkeypatch):
    split = answers(30, 50)
    whole = confidence("accuracy", split)
    monkeypatch.setattr(resample, "AT_ONCE", 130)
    assert confidence("accuracy", split) == whole
    monkeypatch.setattr(resample, "DRAWN", 50)  # fewer resamples, never fewer than those of a metric computed anew
    assert confidence("accuracy", split) == pytest.approx(whole, abs=0.06)


@pytest.mark.parametrize(
    ("metric", "split"),
    [
        ("macro_f1", Split([*"ababba"] * 9, [*"aabbab"] * 9, ("a", "b"))),
        ("matthews", Split([*"ababba"] * 9, [*"aabbab"] * 9, ("a", "b"))),
        ("spearman", Split([1.0, 2.0, 2.5, 4.0] * 5, [1.0, 3.0, 2.0, 5.0] * 5)),
        ("bleu", Split(["the cat sat on a mat"] * 9, [["the cat sat on the mat"], ["a dog sat on a mat"], ["no"]] * 3)),
        ("chrf", Split(["the cat sat", "a"] * 5, [["the cat", "the cat sat on"], ["b"]] * 5)),
        ("perplexity", Split([""] * 9, [["x"]] * 9, sides=[{"nll": 3.0 + i % 3, "tokens": 2} for i in range(9)])),
    ],
)
def test_the_score_lies_in_its_interval(metric, split):
    low, high = confidence(metric, split)
    assert low < METRICS[metric].function(split) < high


@pytest.mark.parametrize(
    ("metric", "split"),
    [
        ("gender_parity", Split(["a", "a"], ["a", "b"], ("a", "b"), [{"group": (0,)}, {"group": (1,)}])),
        ("perplexity", Split([""], [["x"]], sides=[{"nll": 1e9, "tokens": 1}])),
    ],
)
def test_no_interval_where_rows_are_paired_or_no_score_is_finite(metric, split):
    assert confidence(metric, split) is None


def test_a_score_of_some_rows_is_resampled_over_these():
    split = Split(["x"] * 3 + [""] * 97, [["x"]] * 3 + [[]] * 97)
    assert confidence("has_answer_f1", split) == (1, 1)
    assert confidence("has_answer_f1", Split([""] * 3, [[]] * 3)) is None
    assert all(sums_of(metric, split) is not None for metric in ("has_answer_f1", "no_answer_f1"))


def test_rows_without_a_group_are_drawn_alone():
    groups = [{"group": ("a",)}, {"group": (None,)}, {"group": ("a",)}, {"group": (None,)}]
    assert resample.units_of(Split([*"xxxx"], [*"xxxx"], sides=groups)) == [[0, 2], [1], [3]]
