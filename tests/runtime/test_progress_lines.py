"""How far a long task is: on a terminal and in a file, and nothing of a short one."""

import io

import pytest
from lightning_utilities.core.rank_zero import rank_zero_only

from ptv2.runtime import progress
from ptv2.runtime.progress import Progress, clock, pace


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def watch(monkeypatch):
    """`watch.now += 3`: a clock that goes as the test says."""

    class Watch:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Watch()
    monkeypatch.setattr(progress, "time", made)
    return made


def run(watch, out, seconds, steps=10):
    with Progress("scoring topics test", 1000, "rows", out) as made:
        for _ in range(steps):
            watch.now += seconds / steps
            made.add(1000 // steps)
    return out.getvalue()


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_what_is_done_at_once_is_not_spoken_of(watch, out):
    assert run(watch, out(), seconds=2) == ""


def test_a_file_gets_a_line_every_few_seconds_with_rate_and_time_left(watch):
    said = run(watch, io.StringIO(), seconds=40).splitlines()
    assert said == [
        "scoring topics test: 100 of 1,000 rows, 25 rows/s, 36 s left",
        "scoring topics test: 400 of 1,000 rows, 25 rows/s, 24 s left",
        "scoring topics test: 700 of 1,000 rows, 25 rows/s, 12 s left",
        "scoring topics test: 1,000 rows in 40 s, 25 rows/s",
    ]


def test_where_the_end_is_not_known_nothing_is_left(watch):
    out = io.StringIO()
    with Progress("answering", None, out=out) as made:
        for _ in range(2):
            watch.now += 10
            made.add(500)
    said = [
        "answering: 500 rows, 50 rows/s",
        "answering: 1,000 rows, 50 rows/s",
        "answering: 1,000 rows in 20 s, 50 rows/s",
    ]
    assert out.getvalue().splitlines() == said


def test_a_terminal_gets_one_line_that_is_rewritten(watch):
    said = run(watch, Terminal(), seconds=40)
    assert said.count("\n") == 1 and said.count("\r\033[K") == 10 and said.endswith("1,000 rows in 40 s, 25 rows/s\n")


def test_other_ranks_say_nothing(watch, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert run(watch, io.StringIO(), seconds=40) == ""


@pytest.mark.parametrize(
    ("done", "seconds", "says"),
    [(5, 10, "rows, 0.5 rows/s, 3 min 10 s left"), (0, 10, "rows"), (50, 0.5, "rows, 100 rows/s, 0 s left")],
)
def test_a_slow_rate_is_not_rounded_to_nothing(done, seconds, says):
    assert pace(done, 100, "rows", seconds) == says


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")]
)
def test_a_time_is_written_as_people_say_it(seconds, text):
    assert clock(seconds) == text
