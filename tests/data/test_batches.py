import random

import numpy as np
import pytest
import torch

from ptv2.data.batches import POOL, BatchStream
from ptv2.data.batches import epoch_batches as batches_of_epoch

DRAW = random.Random(0)
LENGTHS = [DRAW.randint(5, 120) for _ in range(1003)]


def epoch_batches(*args, **keys):
    """The batches of an epoch as lists."""
    return list(batches_of_epoch(*args, **keys))


def padded(batches):
    """Tokens that the batches hold, padding included."""
    return sum(len(batch) * max(LENGTHS[row] for row in batch) for batch in batches)


@pytest.mark.parametrize("group", [True, False])
def test_every_row_stands_in_one_batch(group):
    batches = epoch_batches(LENGTHS, 16, seed=1, epoch=2, group_by_length=group)
    assert sorted(row for batch in batches for row in batch) == list(range(len(LENGTHS)))
    assert sorted(map(len, batches)) == [1003 % 16] + [16] * (1003 // 16)


@pytest.mark.parametrize("group", [True, False])
def test_batches_follow_from_seed_and_epoch_alone(group):
    made = {(s, e): epoch_batches(LENGTHS, 16, s, e, group) for s in (0, 1) for e in (0, 1)}
    assert all(epoch_batches(LENGTHS, 16, s, e, group) == batches for (s, e), batches in made.items())
    assert len({str(batches) for batches in made.values()}) == len(made)


def test_batches_of_like_length_hold_less_padding():
    grouped, mixed = (padded(epoch_batches(LENGTHS, 16, 0, 0, group)) for group in (True, False))
    assert sum(LENGTHS) <= grouped < 1.1 * sum(LENGTHS) < 1.5 * sum(LENGTHS) < mixed


def test_long_and_short_batches_come_in_any_order():
    sizes = [max(LENGTHS[row] for row in batch) for batch in epoch_batches(LENGTHS, 16, 0, 0)]
    assert sizes != sorted(sizes) and sizes != sorted(sizes, reverse=True)


def test_a_token_budget_is_kept_and_filled():
    batches = epoch_batches(LENGTHS, 16, 0, 0, tokens=1000)
    assert sorted(row for batch in batches for row in batch) == list(range(len(LENGTHS)))
    sizes = [len(batch) * max(LENGTHS[row] for row in batch) for batch in batches]
    assert max(sizes) <= 1000 and sum(sizes) > 0.8 * 1000 * len(sizes)


def test_a_row_longer_than_the_budget_stands_alone():
    assert [len(batch) for batch in epoch_batches([50, 50, 50], 16, 0, 0, tokens=40)] == [1, 1, 1]


@pytest.mark.parametrize("tokens", [None, 1000])
def test_a_stream_is_epoch_after_epoch_and_is_entered_anywhere(tokens):
    expected = [batch for epoch in range(4) for batch in epoch_batches(LENGTHS, 16, 3, epoch, True, tokens)]
    stream = BatchStream(LENGTHS, 16, 3, tokens=tokens)
    assert [stream[k] for k in range(len(expected))] == expected
    last = len(expected) - 1
    assert BatchStream(LENGTHS, 16, 3, tokens=tokens)[last] == expected[last]


def one_by_one(lengths, batch_size, seed, epoch, group, tokens):
    """The batches of an epoch in plain Python, a row at a time: runs that were begun count batches in this order."""
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    if group:
        rows = batch_size if tokens is None else max(1, tokens * len(lengths) // sum(lengths))
        pools = [order[i : i + rows * POOL] for i in range(0, len(order), rows * POOL)]
        order = [row for pool in pools for row in sorted(pool, key=lengths.__getitem__)]
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if tokens is not None:
        batches = [[]]
        for row in order:
            if batches[-1] and max(lengths[r] for r in [*batches[-1], row]) * (len(batches[-1]) + 1) > tokens:
                batches.append([])
            batches[-1].append(row)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()] if group else batches


@pytest.mark.parametrize("tokens", [None, 60, 1000])
@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("count", [1, 33, 1003])
def test_arrays_draw_what_plain_lists_drew(count, group, tokens):
    for batch_size, epoch in ((1, 0), (16, 3)):
        drawn = epoch_batches(LENGTHS[:count], batch_size, 7, epoch, group, tokens)
        assert drawn == one_by_one(LENGTHS[:count], batch_size, 7, epoch, group, tokens)


def test_the_tokens_of_an_epoch_are_counted_with_their_padding():
    batches = batches_of_epoch(LENGTHS, 16, 0, 0)
    assert batches.padded(np.array(LENGTHS)) == padded(batches)
