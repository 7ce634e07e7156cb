"""What one rank does about the others."""

import subprocess

import pytest

from ptv2.runtime.ranks import end_others


@pytest.fixture
def child():
    made = subprocess.Popen(["sleep", "60"])
    yield made
    made.kill()
    made.wait()


def test_ranks_that_do_not_end_are_killed(child):
    started = [child]
    end_others(started, 0.1)
    assert child.wait(5) == -9 and not started  # Lightning's observer finds nothing to complain of


def test_ranks_are_killed_also_where_the_waiting_is_interrupted(child, monkeypatch):
    def interrupted(_seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(child, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            end_others([child], 30)
    assert child.wait(5) == -9
