"""The hub is asked once; where it does not answer, nothing waits for it any more."""

import datasets
import pytest
from huggingface_hub import constants

from ptv2.config.cards import DatasetCard
from ptv2.errors import Unreachable
from ptv2.rows.hub import load_split
from ptv2.runtime import network


@pytest.fixture
def asked(monkeypatch):
    """Whether the hub answers is asked again, with a client that counts and never answers."""
    calls = []

    class Client:
        def head(self, url, timeout):
            calls.append((url, timeout))
            raise OSError("no route")

    network.hub_answers.cache_clear()
    monkeypatch.setattr(network, "get_session", Client)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    yield calls
    network.hub_answers.cache_clear()


def test_a_hub_that_does_not_answer_is_asked_once(asked):
    for _ in range(2):
        with pytest.raises(Unreachable, match=r"the hub is not reachable \(no answer\)"):
            load_split(DatasetCard(path="some/where"), "train", "some/where")
    assert asked == [(constants.ENDPOINT, network.SECONDS)]
    assert constants.HF_HUB_OFFLINE and datasets.config.HF_HUB_OFFLINE


def test_it_is_said_which_folder_was_looked_for(asked, monkeypatch, tmp_path):
    monkeypatch.setenv("PTV2_DATA", str(tmp_path))
    with pytest.raises(Unreachable, match=rf"PTV2_DATA=FOLDER of data sets \({tmp_path} has no folder 'sst2'\), "):
        load_split(DatasetCard(path="some/where"), "train", "some/where", "glue/sst2")


def test_a_run_without_a_network_by_choice_asks_nothing(asked, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(Unreachable, match="HF_HUB_OFFLINE is set"):
        load_split(DatasetCard(path="some/where"), "train", "some/where")
    assert asked == []
