"""What each rank gets of a batch: between them everything once, and always something."""

import pytest
import torch

from ptv2.data.slices import LENT, Shares, own_rows, share, taken, turns

BATCH = [(0, row) for row in range(10, 17)]


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_are_the_batch(world):
    shares = [share(BATCH, rank, world) for rank in range(world)]
    assert sorted(row for rows in shares for row in rows) == BATCH
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_rank_without_a_row_is_lent_one():
    assert [share(BATCH[:2], rank, 3) for rank in range(3)] == [[(0, 10)], [(0, 11)], [(0, ~10)]]


@pytest.mark.parametrize("count", [1, 4, 5, 6])
def test_ranks_take_turns_at_whole_batches_and_get_as_many(count):
    batches = [[(0, 2 * i), (0, 2 * i + 1)] for i in range(count)]
    given = [turns(batches, rank, 3) for rank in range(3)]
    assert {len(own) for own in given} == {-(-count // 3)}
    flat = [batch for own in given for batch in own]
    assert sorted(batch for batch in flat if batch[0][1] >= 0) == batches
    assert all(batch == [(0, ~0)] for batch in flat if batch[0][1] < 0)


def test_every_rank_sees_as_many_batches():
    batches = [BATCH, BATCH[:1]]
    assert [len(Shares(batches, rank, 2)) for rank in (0, 1)] == [
        len(list(Shares(batches, rank, 2))) for rank in (0, 1)
    ]


def test_a_lent_feature_is_marked_and_not_changed():
    features = [{"row": 0, "length": 3}, {"row": 0, "length": 4}]
    assert taken(features, 1) == features[1]
    assert taken(features, ~1) == {"row": LENT, "length": 4} and features[1]["row"] == 0
    assert own_rows({"row": torch.tensor([3, 0])}) == 2 and own_rows({"row": torch.tensor([LENT])}) == 0
