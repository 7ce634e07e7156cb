"""Who writes and prints: as Lightning says, and before it is imported as the environment does."""

import pytest
from lightning_utilities.core.rank_zero import rank_zero_only

from ptv2.runtime.rank_zero import NAMES, is_zero


@pytest.fixture
def without_lightning(monkeypatch):
    monkeypatch.delattr(rank_zero_only, "rank", raising=False)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "zero"),
    [
        ({}, True),
        ({"RANK": "0"}, True),
        ({"RANK": "3"}, False),
        ({"SLURM_PROCID": "1"}, False),
        ({"LOCAL_RANK": "0", "SLURM_PROCID": "1"}, True),
    ],
)
def test_the_environment_says_it(without_lightning, monkeypatch, environment, zero):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_zero() is zero


def test_lightning_asks_for_the_same_names(without_lightning, monkeypatch):
    from lightning.fabric.utilities.rank_zero import _get_rank

    for name in reversed(NAMES):
        monkeypatch.setenv(name, str(NAMES.index(name) + 1))
        assert _get_rank() == NAMES.index(name) + 1


def test_what_lightning_says_counts(without_lightning, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 2, raising=False)
    monkeypatch.setenv("RANK", "0")
    assert not is_zero()
