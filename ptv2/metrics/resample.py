"""Scores of resampled rows: the bootstrap (Efron & Tibshirani 1993, chapter 13: the percentile interval).

Rows of one group, such as the answers of a question, are drawn together.

Shapes: N rows, U units (rows or groups of them), R resamples, K sums of a metric.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ptv2.metrics.split import Split
from ptv2.metrics.sums import Sums, sums_of
from ptv2.metrics.table import METRICS

RESAMPLES, RESCORED = 2000, 200
"""Resamples of a metric that is sums over rows, and of one that is computed anew on each."""

DRAWN = 20_000_000  # units that the resamples of one interval draw at most: a large split has fewer of them
AT_ONCE = 2_000_000  # of them in memory
SEED = 0
LEVEL = 0.95

Array = np.ndarray


def confidence(metric: str, split: Split) -> tuple[float, float] | None:
    """Return the interval that holds 95 % of the scores of resampled rows.

    None for the one metric that pairs rows itself, and where a resample has no finite score.
    """
    split = counted(metric, split)
    if metric == "gender_parity" or not split.references:
        return None
    units, sums, draw = units_of(split), sums_of(metric, split), np.random.default_rng(SEED)
    score = scorer(metric, split, units, sums)
    with np.errstate(all="ignore"):
        scores_R = np.concatenate([score(drawn_RU) for drawn_RU in draws(draw, len(units), resamples(sums))])
        low, high = interval(scores_R) if np.isfinite(scores_R).all() else (math.nan, math.nan)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def counted(metric: str, split: Split) -> Split:
    """Return the rows that a metric counts, so that every resample has as many of them."""
    counts = METRICS[metric].counts
    if counts is None:
        return split
    kept = [i for i, reference in enumerate(split.references) if counts(reference)]
    return replace(
        split,
        predictions=[split.predictions[i] for i in kept],
        references=[split.references[i] for i in kept],
        sides=[split.sides[i] for i in kept] if split.sides else (),
    )


def resamples(sums: Sums | None) -> int:
    """Return how many resamples a metric takes, which is sums over rows or not."""
    return RESCORED if sums is None else RESAMPLES


def draws(draw: np.random.Generator, units: int, most: int) -> Iterator[Array]:
    """Yield how often each unit is drawn in each of `most` resamples, [R, U], in parts that memory holds.

    Of many units there are fewer resamples, see `DRAWN`.
    """
    count, even_U = max(RESCORED, min(most, DRAWN // units)), np.full(units, 1 / units)
    at_once = max(1, AT_ONCE // units)
    for done in range(0, count, at_once):
        yield draw.multinomial(units, even_U, size=min(at_once, count - done))


def interval(resampled_R: Array) -> tuple[float, float]:
    """Return the ends of the percentile interval."""
    low, high = np.percentile(resampled_R, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def units_of(split: Split) -> list[list[int]]:
    """List the rows that are drawn together: those of a group, or each row alone."""
    if not any("group" in side for side in split.sides):
        return [[row] for row in range(len(split.references))]
    groups: dict[object, list[int]] = {}
    for row, side in enumerate(split.sides):
        group = side.get("group", row)
        alone = isinstance(group, tuple) and None in group  # a row without a group
        groups.setdefault(("row", row) if alone else group, []).append(row)
    return list(groups.values())


def scorer(metric: str, split: Split, units: list[list[int]], sums: Sums | None) -> Callable[[Array], Array]:
    """Return what scores resamples: how often each unit is drawn, [R, U] -> [R]."""
    if sums is not None:
        per_unit_UK = np.stack([sums.rows_NK[rows].sum(0) for rows in units])
        return lambda drawn_RU: sums.score(drawn_RU @ per_unit_UK)
    return lambda drawn_RU: np.array([_rescored(metric, split, units, drawn_U) for drawn_U in drawn_RU])


def _rescored(metric: str, split: Split, units: list[list[int]], drawn_U: Array) -> float:
    """Score the rows of the drawn units; a group that is drawn twice counts as two."""
    drawn = [(row, copy) for unit, times in zip(units, drawn_U, strict=True) for copy in range(times) for row in unit]
    resampled = replace(
        split,
        predictions=[split.predictions[row] for row, _ in drawn],
        references=[split.references[row] for row, _ in drawn],
        sides=[_copied(split.sides[row], copy) for row, copy in drawn] if split.sides else (),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were shown when the split was scored
        return METRICS[metric].function(resampled)


def _copied(side: dict, copy: int) -> dict:
    return side | {"group": (*side["group"], copy)} if "group" in side else side
