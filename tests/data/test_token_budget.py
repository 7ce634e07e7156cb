"""Rows that are longer than a batch may be."""

from types import SimpleNamespace

import pytest
from datasets import Dataset

from ptv2.config.schema import Config, DataConfig
from ptv2.data.datamodule import TaskDataModule


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (None, []),
        (90, []),
        (
            20,
            [
                "notes: 2 of 3 training features are longer than data.tokens_per_batch=20 "
                "and are batches of their own, of 90 tokens at most"
            ],
        ),
    ],
)
def test_rows_longer_than_the_budget_are_counted(budget, said):
    lengths = {"notes": [20, 21, 90], "words": [3, 4, 5]}
    tasks = {
        name: SimpleNamespace(encoded={"train": Dataset.from_dict({"length": tokens})}.__getitem__)
        for name, tokens in lengths.items()
    }
    assert TaskDataModule(tasks, Config(data=DataConfig(tokens_per_batch=budget))).notices() == said
