"""What each rank gets of a batch: between them everything once, and always something."""

import pytest

from ptv2.data.slices import Drawn, Slices, slice_of, turns

BATCH = [(0, row) for row in range(10, 17)]


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_slices_are_the_batch(world):
    slices = [slice_of(BATCH, rank, world) for rank in range(world)]
    assert sorted(drawn for own in slices for drawn in own) == [Drawn(*drawn) for drawn in BATCH]
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


def test_a_rank_without_a_row_gets_a_dummy():
    given = [slice_of(BATCH[:2], rank, 3) for rank in range(3)]
    assert given == [[Drawn(0, 10)], [Drawn(0, 11)], [Drawn(0, 10, counts=False)]]


@pytest.mark.parametrize("count", [1, 4, 5, 6])
def test_ranks_take_turns_at_whole_batches_and_get_as_many(count):
    batches = [[(0, 2 * i), (0, 2 * i + 1)] for i in range(count)]
    given = [turns(batches, rank, 3) for rank in range(3)]
    assert {len(own) for own in given} == {-(-count // 3)}
    flat = [batch for own in given for batch in own]
    counting = sorted(batch for batch in flat if batch[0].counts)
    assert counting == [[Drawn(*drawn) for drawn in batch] for batch in batches]
    assert all(batch == [Drawn(0, 0, counts=False)] for batch in flat if not batch[0].counts)


def test_every_rank_sees_as_many_batches():
    batches = [BATCH, BATCH[:1]]
    assert [len(Slices(batches, rank, 2)) for rank in (0, 1)] == [
        len(list(Slices(batches, rank, 2))) for rank in (0, 1)
    ]
