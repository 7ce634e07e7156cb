"""Which point of the space a search tries next: a function of its seed and of the trials there are.

A sampler sees the trials in a study in memory, so what it draws can be refused: a point is tried once.
"""

from collections.abc import Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from ptv2.train.search.plan import Params, Plan
from ptv2.train.search.space import Choices, Values

DRAWS = 20  # of a sampler that repeats itself, then as many of a random one


def propose(plan: Plan, trials: Sequence[FrozenTrial]) -> Params | None:
    """Choose a point that no trial has had; None where there is none left."""
    tried = [trial.params for trial in trials]
    if plan.points is not None and len(tried) >= plan.points:
        return None
    if plan.sampler != "grid":
        for draw in range(2 * DRAWS):
            sampler = plan.sampler if draw < DRAWS else "random"
            point = _drawn(plan, trials, sampler, seed=plan.config.seed + len(trials) + draw * 10_000)
            if point not in tried:
                return point
        if plan.points is None:  # the rounded numbers of a small range are used up
            return None
    return next(point for point in plan.grid() if point not in tried)


def _drawn(plan: Plan, trials: Sequence[FrozenTrial], name: str, seed: int) -> Params:
    """Draw a point as the sampler does that knows these trials."""
    seed %= 2**32
    sampler: BaseSampler = TPESampler(seed=seed) if name == "tpe" else RandomSampler(seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(trials)
    params = study.ask({key: distribution(values) for key, values in plan.space.items()}).params
    return {
        key: params[key] if isinstance(values, Choices) else values.rounded(params[key])
        for key, values in plan.space.items()
    }


def distribution(values: Values) -> BaseDistribution:
    """Say in Optuna's words what a key may be."""
    if isinstance(values, Choices):
        return CategoricalDistribution(values.values)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)
