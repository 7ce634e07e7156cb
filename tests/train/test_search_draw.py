"""Which point a search tries next."""

import pytest
import yaml
from optuna.trial import TrialState, create_trial

from ptv2.train.search.draw import distribution, propose
from ptv2.train.search.plan import make_plan


@pytest.fixture
def plan(tmp_path):
    """`plan("random", "optim.lr=1e-3..1e-2:log")`"""
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump({"task": "demo/bbc_topic", "backbone": {"name": "some/model"}}))
    return lambda sampler, *space, **keys: make_plan(path, space=space, sampler=sampler, **{"trials": 99} | keys)


def finished(plan, params, score=0.0):
    space = {key: distribution(values) for key, values in plan.space.items()}
    return create_trial(state=TrialState.COMPLETE, params=params, distributions=space, value=score)


def all_of(plan, score=lambda params: 0.0, most=99):
    """Every point that is proposed, one after the other, until there is none."""
    trials = []
    while len(trials) < most and (params := propose(plan, trials)) is not None:
        trials.append(finished(plan, params, score(params)))
    return [tuple(trial.params.values()) for trial in trials]


def test_a_grid_is_walked_in_its_order(plan):
    walked = all_of(plan("grid", "prompt.length=4,8", "seed=1,2"))
    assert walked == [("4", "1"), ("4", "2"), ("8", "1"), ("8", "2")]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_no_point_is_proposed_twice_and_none_is_left_out(plan, sampler):
    made = all_of(plan(sampler, "prompt.length=1,2,3,4", "seed=1,2,3"), score=lambda params: float(params["seed"]))
    assert len(made) == len(set(made)) == 12


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_small_range_of_whole_numbers_is_used_up(plan, sampler):
    made = all_of(plan(sampler, "prompt.length=1..5"), score=lambda params: params["prompt.length"])
    assert sorted(made) == [(1,), (2,), (3,), (4,), (5,)]


def test_what_is_drawn_follows_from_the_seed_and_the_trials(plan):
    first = plan("random", "optim.lr=1e-3..1e-2:log")
    assert all_of(first, most=5) == all_of(first, most=5)
    assert len({point for point in all_of(first, most=5)}) == 5


def test_tpe_draws_near_what_was_good(plan):
    space = plan("tpe", "prompt.dropout=0..0.9")
    made = all_of(space, score=lambda params: -abs(params["prompt.dropout"] - 0.2), most=30)
    late = [dropout for (dropout,) in made[15:]]
    assert sum(abs(dropout - 0.2) < 0.2 for dropout in late) > len(late) / 2
