"""The difference of two methods, paired by seed and by test row, with a bootstrap confidence interval.

Each resample draws seeds and rows with replacement, the same ones for both methods, so what all methods find hard on a
row cancels, see `ptv2.metrics.resample`.

Shapes: S seeds, U units (rows or groups of them), R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ptv2.metrics.resample import Array, counted, draws, interval, resamples, scorer, units_of
from ptv2.metrics.split import Split
from ptv2.metrics.sums import sums_of

SEED = 0

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

    None where the rows differ, so that there is nothing to pair, for the one metric that pairs rows itself, and where a
    score is not finite.
    """
    pairs = [(counted(metric, ours), counted(metric, theirs)) for ours, theirs in pairs]
    first = pairs[0][0]
    if not first.references:
        return None
    if metric == "gender_parity" or any(split.references != first.references for pair in pairs for split in pair):
        return None
    units = units_of(first)
    scorers = [[scorer(metric, split, units, sums_of(metric, split)) for split in pair] for pair in pairs]
    draw = np.random.default_rng(SEED)
    with np.errstate(all="ignore"):  # a score may be infinite
        by_seed_RS = np.concatenate(
            [
                np.stack([ours(drawn_RU) - theirs(drawn_RU) for ours, theirs in scorers], axis=1)
                for drawn_RU in draws(draw, len(units), resamples(sums_of(metric, first)))
            ]
        )
    seeds_RS = draw.integers(len(pairs), size=by_seed_RS.shape)
    resampled_R = np.take_along_axis(by_seed_RS, seeds_RS, axis=1).mean(1)
    once_1U = np.ones((1, len(units)), int)
    value = float(np.mean([(ours(once_1U) - theirs(once_1U))[0] for ours, theirs in scorers]))
    if not np.isfinite([value, *resampled_R]).all():
        return None
    return Difference(value, *interval(resampled_R), len(pairs)), resampled_R
