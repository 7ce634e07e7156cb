"""A rank that dies or hangs ends the run with a message."""

import pytest
from outcome import HERE

TWO = ("trainer.devices=2", "trainer.strategy=ddp")


def lines(said):
    return [line for line in said.err.splitlines() if line.startswith("error: ")]


def test_a_rank_that_is_killed(config, run, tmp_path):
    said = run(HERE / "faulty.py", "kill", "--config", config, *TWO)
    assert said.code == 1
    (line,) = lines(said)
    assert line.startswith("error: rank 0: another rank has ended or did not answer")
    assert "Traceback" not in said.err
    assert not (tmp_path / "runs" / "mixture" / "results.json").exists()


@pytest.mark.slow
def test_a_rank_that_is_killed_under_torchrun(config, torchrun):
    said = torchrun(2, HERE / "faulty.py", "kill", "--config", config, *TWO)
    assert said.code == 1
    assert "Signal 9 (SIGKILL) received by PID" in said.err and "rank      : 1 (local_rank: 1)" in said.err


@pytest.mark.slow
def test_a_rank_that_hangs_is_not_waited_for_longer_than_the_timeout(config, run):
    said = run(HERE / "faulty.py", "stop", "--config", config, *TWO, "run.timeout=5")
    assert said.code == 1
    (line,) = lines(said)
    assert "another rank has ended or did not answer" in line and "Timed out" in line
