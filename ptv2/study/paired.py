"""The difference of two methods, paired by seed and by test row, with a bootstrap confidence interval.

Each resample draws seeds and rows with replacement, the same ones for both methods, so what all methods find hard on a
row cancels (Efron & Tibshirani 1993, chapter 13: the percentile interval). Rows of one group, such as the answers of a
question, are drawn together.

Shapes: S seeds, N rows, U units (rows or groups of them), R resamples, K sums of a metric.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ptv2.metrics.split import Split
from ptv2.metrics.table import METRICS
from ptv2.study.sums import sums_of

RESAMPLES, RESCORED = 2000, 200
"""Resamples of a metric that is sums over rows, and of one that is computed anew on each."""

SEED = 0
LEVEL = 0.95

Array = np.ndarray
Pair = tuple[Split, Split]  # a method's and the reference's, of one seed


@dataclass(frozen=True)
class Difference:
    """A method's score minus the reference's, averaged over seeds, and the interval that holds 95 % of resamples."""

    value: float
    low: float
    high: float
    seeds: int


def difference(metric: str, pairs: Sequence[Pair]) -> tuple[Difference, Array] | None:
    """Compare two methods by the splits that each scored, a pair per seed; also return the resampled differences, [R].

    None where the rows differ, so that there is nothing to pair, and for the one metric that pairs rows itself.
    """
    first = pairs[0][0]
    if metric == "gender_parity" or any(split.references != first.references for pair in pairs for split in pair):
        return None
    units = _units(first)
    scorers = [[_scorer(metric, split, units) for split in pair] for pair in pairs]
    resamples = RESAMPLES if sums_of(metric, first) is not None else RESCORED
    draw = np.random.default_rng(SEED)
    drawn_RU = draw.multinomial(len(units), np.full(len(units), 1 / len(units)), size=resamples)
    seeds_RS = draw.integers(len(pairs), size=(resamples, len(pairs)))
    by_seed_RS = np.stack([ours(drawn_RU) - theirs(drawn_RU) for ours, theirs in scorers], axis=1)
    resampled_R = np.take_along_axis(by_seed_RS, seeds_RS, axis=1).mean(1)
    once_1U = np.ones((1, len(units)), int)
    value = float(np.mean([(ours(once_1U) - theirs(once_1U))[0] for ours, theirs in scorers]))
    return Difference(value, *interval(resampled_R), len(pairs)), resampled_R


def interval(resampled_R: Array) -> tuple[float, float]:
    """Return the ends of the percentile interval."""
    low, high = np.percentile(resampled_R, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def _units(split: Split) -> list[list[int]]:
    """List the rows that are drawn together: those of a group, or each row alone."""
    if not any("group" in side for side in split.sides):
        return [[row] for row in range(len(split.references))]
    groups: dict[object, list[int]] = {}
    for row, side in enumerate(split.sides):
        groups.setdefault(side.get("group", row), []).append(row)
    return list(groups.values())


def _scorer(metric: str, split: Split, units: list[list[int]]) -> Callable[[Array], Array]:
    """Return what scores resamples: how often each unit is drawn, [R, U] -> [R]."""
    sums = sums_of(metric, split)
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
