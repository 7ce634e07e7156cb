"""The draw of a mixture: shares, order, and where it goes on."""

from collections import Counter
from itertools import islice

import pytest

from ptv2.config.schema import DataConfig, MixtureConfig
from ptv2.data.batches import epoch_batches
from ptv2.data.mixture import MixtureBatches, own_seed, shares
from ptv2.errors import UserError

LENGTHS = {"a": [7] * 900, "b": [9] * 90, "c": [11] * 10}
SIZES = {name: len(rows) for name, rows in LENGTHS.items()}


def mixture(lengths=None, epochs=3, start=0, batch_size=10, tokens=None, **config):
    data = DataConfig(batch_size=batch_size, tokens_per_batch=tokens)
    return MixtureBatches(lengths or LENGTHS, data, MixtureConfig(**config), seed=5, epochs=epochs, start=start)


def drawn(sampler, epochs=3):
    return [batch for _ in range(epochs) for batch in sampler]


def count(batches):
    """Batches of each task."""
    return [Counter(batch[0][0] for batch in batches)[task] for task in range(3)]


def of(task, batches):
    return [row for batch in batches for number, row in batch if number == task]


# -- shares ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampling", "weights"),
    [
        ("proportional", [900, 90, 10]),
        ("capped:50", [50, 50, 10]),
        ("temperature:2", [30, 90**0.5, 10**0.5]),
        ("temperature:2:100", [10, 90**0.5, 10**0.5]),
        ("sqrt", [30, 90**0.5, 10**0.5]),
        ("equal", [1, 1, 1]),
    ],
)
def test_shares_follow_their_formula(sampling, weights):
    made = shares(SIZES, MixtureConfig(sampling=sampling))
    assert made == pytest.approx([weight / sum(weights) for weight in weights])


def test_weights_are_the_users():
    config = MixtureConfig(sampling="weights", weights={"c": 2, "a": 1, "b": 1})
    assert shares(SIZES, config) == [0.25, 0.25, 0.5]


def test_annealed_goes_from_proportional_towards_equal():
    exponents = [1 - 0.8 * progress for progress in (0, 0.5, 1)]
    for progress, a in zip((0, 0.5, 1), exponents, strict=True):
        weights = [n**a for n in SIZES.values()]
        made = shares(SIZES, MixtureConfig(sampling="annealed"), progress)
        assert made == pytest.approx([weight / sum(weights) for weight in weights])
    sampler = mixture(sampling="annealed")
    counts = [count(list(sampler)) for _ in range(3)]
    assert counts[0][0] > counts[1][0] > counts[2][0] and counts[0][2] < counts[2][2]


@pytest.mark.parametrize(
    "config",
    [
        {"sampling": "square"}, {"sampling": "capped"}, {"sampling": "capped:0"}, {"sampling": "temperature:x"},
        {"sampling": "sqrt:3"}, {"sampling": "weights"}, {"weights": {"a": 1}},
        {"sampling": "weights", "weights": {"a": 1, "b": 1}}, {"sampling": "weights", "weights": {"a": 1, "d": 1}},
        {"sampling": "weights", "weights": {"a": 1, "b": 1, "c": -1}},
    ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_refused(config):
    with pytest.raises(UserError, match=r"mixture\.(sampling|weights)"):
        mixture(**config)


def test_an_epoch_holds_each_task_at_its_share():
    sampler = mixture(sampling="temperature:2", steps_per_epoch=500)
    for _ in range(3):
        expected = [500 * share for share in shares(SIZES, sampler.config)]
        assert all(abs(n - share) < 1 for n, share in zip(count(list(sampler)), expected, strict=True))


# -- rows --------------------------------------------------------------------------------------------------------------


def test_a_proportional_epoch_is_one_pass_over_all_rows():
    batches = list(mixture())
    assert len(batches) == 100
    for task, size in enumerate(SIZES.values()):
        assert sorted(of(task, batches)) == list(range(size))


def test_a_task_alone_is_a_mixture_of_one():
    batches = drawn(mixture({"a": LENGTHS["a"]}))
    alone = [batch for epoch in range(3) for batch in epoch_batches(LENGTHS["a"], 10, own_seed(5, "a"), epoch)]
    assert [[row for _, row in batch] for batch in batches] == alone


def test_what_a_task_draws_does_not_depend_on_the_others():
    few = mixture({"a": LENGTHS["a"], "c": LENGTHS["c"]}, sampling="equal")
    first, second = of(0, drawn(mixture())), of(0, drawn(few))
    shorter = min(len(first), len(second))
    assert first[:shorter] == second[:shorter]


def test_all_rows_come_before_one_comes_again():
    rows = of(2, drawn(mixture(sampling="equal")))
    assert len(rows) > 30
    assert all(sorted(rows[i : i + 10]) == list(range(10)) for i in range(0, len(rows) - 9, 10))


def test_mixed_batches_hold_rows_of_all_tasks_at_their_share():
    batches = list(mixture(batches="mixed", sampling="equal", steps_per_epoch=60))
    assert {len(batch) for batch in batches} == {10}
    assert Counter(task for batch in batches for task, _ in batch) == {0: 200, 1: 200, 2: 200}
    assert all(batch == sorted(batch, key=lambda row: row[0]) for batch in batches)
    assert sum(len({task for task, _ in batch}) == 3 for batch in batches) > 40


def test_a_token_budget_makes_batches_of_unequal_size():
    sizes = {(batch[0][0], len(batch)) for batch in mixture(tokens=90)}
    assert {(0, 12), (1, 10), (2, 8)} <= sizes


# -- where it goes on --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config", [{}, {"sampling": "annealed"}, {"batches": "mixed"}, {"tokens": 90}, {"dry": "stop"}]
)
def test_any_position_is_entered_without_what_came_before(config):
    whole = drawn(mixture(**config))
    steps = len(mixture(**config))
    assert len(whole) == 3 * steps
    for start in (1, steps - 1, steps, 2 * steps + 3 % steps):
        assert drawn(mixture(start=start, **config), 4)[: len(whole) - start] == whole[start:]


def test_an_epoch_left_early_does_not_move_the_next():
    sampler = mixture()
    list(islice(sampler, 3))
    assert list(sampler) == drawn(mixture())[100:200]


# -- running dry -------------------------------------------------------------------------------------------------------


def test_cycle_begins_a_dry_task_anew():
    assert Counter(of(2, list(mixture(sampling="equal")))).most_common(1)[0][1] > 1


def test_stop_ends_the_epoch_with_the_first_dry_task():
    sampler = mixture(sampling="equal", dry="stop")
    assert len(sampler) == 3
    for _ in range(4):
        assert sorted(of(2, list(sampler))) == list(range(10))


def test_stop_refuses_more_steps_than_there_are():
    with pytest.raises(UserError, match="task 'c' runs dry after 3 of 5 steps"):
        mixture(sampling="equal", dry="stop", steps_per_epoch=5)


def test_with_stop_no_row_comes_twice_in_an_epoch_of_batches_filled_by_tokens():
    lengths = {"a": [3 + i * 7 % 38 for i in range(1500)], "b": [3 + i * 11 % 38 for i in range(1200)]}
    sampler = mixture(lengths, tokens=120, sampling="equal", dry="stop", epochs=4)
    for _ in range(4):
        batches = list(sampler)
        assert all(len(set(rows)) == len(rows) for rows in (of(0, batches), of(1, batches)))
