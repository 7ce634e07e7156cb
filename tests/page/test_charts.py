"""Curves and intervals as SVG."""

import json
import math

import pytest

from ptv2.errors import UserError
from ptv2.page.charts import Curve, Scored, interval_chart, line_chart, short, ticks
from ptv2.page.logs import MOST, read_curves, thinned

NAN = math.nan


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        ((0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.61, 0.68), [0.62, 0.64, 0.66, 0.68]),
        ((-3, 9), [0, 5]),
        ((0, 5e9), [0, 1e9, 2e9, 3e9, 4e9, 5e9]),
    ],
)
def test_ticks_are_round_numbers(ends, values):
    assert ticks(*ends) == pytest.approx(values)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.002, "0.002"), (1500, "1500"), (12000, "12k"), (1.5e9, "1.5G"), (-2e6, "-2M"), (1e-20, "0")],
)
def test_numbers_of_an_axis_are_short(value, text):
    assert short(value) == text


def test_values_that_are_not_finite_make_a_gap():
    steps = range(100)
    points = [(float(i), NAN if i == 50 else math.inf if i == 60 else float(i)) for i in steps]
    chart = line_chart("train/loss", [Curve("a <run>", points, 0)])
    assert chart.count("<path") == 3 and "nan" not in chart and "inf" not in chart
    assert "<title>a &lt;run&gt;</title>" in chart


@pytest.mark.parametrize("points", [[(1.0, 0.5)], [(1.0, 0.0), (2.0, 0.0)], [(1.0, NAN)], [(5.0, 1e38), (6.0, -1e38)]])
def test_few_and_equal_and_huge_values_are_drawn(points):
    chart = line_chart("x", [Curve("run", points, 3)])
    assert ("circle" in chart) == math.isfinite(points[0][1]) and "nan" not in chart


def test_a_long_curve_keeps_its_peaks():
    points = [(float(i), 1.0) for i in range(10_000)]
    points[1234], points[5678], points[9] = (1234.0, 99.0), (5678.0, -99.0), (9.0, NAN)
    kept = thinned(points)
    assert len(kept) <= MOST and kept == sorted(kept) and {(1234.0, 99.0), (5678.0, -99.0)} <= set(kept)


def test_a_score_stands_in_its_interval():
    chart = interval_chart("acc", [Scored("a&b", 0.5, 0.4, 0.6, 0), Scored("c", 0.7, None, None, 1)], 0.3)
    assert "a&amp;b: 0.5000, 0.4000 to 0.6000" in chart and "<title>c: 0.7000</title>" in chart
    assert "trivial answer: 0.3000" in chart and chart.count("<circle") == 2


def test_curves_are_read_by_name(tmp_path):
    lines = [{"step": 1, "epoch": 1, "train/loss": 2.0}, {"step": 2, "train/loss": NAN, "n": 3, "note": "x"}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "train/lo'
    (tmp_path / "m.jsonl").write_text(text)
    curves = read_curves(tmp_path / "m.jsonl")
    assert curves["n"] == [(2, 3)] and curves["train/loss"][0] == (1, 2) and set(curves) == {"train/loss", "n"}
    assert read_curves(tmp_path / "none.jsonl") == {}


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"step": 1}\nnothing\n')
    with pytest.raises(UserError, match=r"m\.jsonl:2: is not a line of logged values"):
        read_curves(tmp_path / "m.jsonl")
