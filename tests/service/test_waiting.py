"""Which pieces a pass takes: of all jobs that can share it, a like number of each."""

from ptv2.service.jobs import Job, Piece
from ptv2.service.waiting import Waiting


def job(key: str, *lengths: int) -> Job:
    made = Job(None, None, None, {}, {})
    made.pieces.extend(Piece("task", {"row": i}, key, length) for i, length in enumerate(lengths))
    return made


def waiting(*jobs: Job, rows: int = 4, tokens: int = 100) -> Waiting:
    made = Waiting(rows, tokens)
    for one in jobs:
        made.add(one)
    return made


def taken(made: Waiting) -> list[tuple[int, int]]:
    """How many tokens of which job."""
    known = {id(one): number for number, one in enumerate(all_jobs)}
    return [(known[id(one)], piece.length) for one, piece in made.take()]


all_jobs: list[Job] = []


def passes(*jobs: Job, **limits: int) -> list[list[tuple[int, int]]]:
    all_jobs[:] = jobs
    made, found = waiting(*jobs, **limits), []
    while len(made):
        found.append(taken(made))
    assert made.take() == []
    return found


def test_a_short_job_does_not_wait_for_a_long_one():
    assert passes(job("a", 1, 1, 1, 1, 1, 1), job("a", 2)) == [[(0, 1), (0, 1), (0, 1), (1, 2)], [(0, 1)] * 3]


def test_jobs_of_another_key_take_turns():
    found = passes(job("a", *[1] * 8), job("b", 2), job("a", 3))
    assert found == [[(0, 1), (0, 1), (0, 1), (2, 3)], [(1, 2)], [(0, 1)] * 4, [(0, 1)]]


def test_padding_counts_among_the_tokens():
    assert passes(job("a", 10, 20, 40, 60), tokens=100) == [[(0, 10), (0, 20)], [(0, 40)], [(0, 60)]]


def test_a_piece_that_is_longer_than_a_pass_goes_alone():
    assert passes(job("a", 500), job("a", 3), tokens=100) == [[(0, 500)], [(1, 3)]]


def test_a_job_that_is_dropped_is_taken_no_more():
    first, second = job("a", 1, 1, 1, 1, 1, 1), job("a", 2)
    made = waiting(first, second)
    made.take()
    made.drop(first)
    assert len(made) == 0 and made.take() == []
