"""What `auto` is chosen from: the optimizer steps of an epoch, as batches, devices and accumulation make them."""

from pathlib import Path

import pytest

from ptv2.config.load import load_config
from ptv2.model.auto import steps_per_epoch

ROWS = {"topics": 96}


@pytest.fixture
def config(tmp_path):
    """`config("data.batch_size=4")`: of one task whose rows have 32 tokens at most."""
    card = tmp_path / "topics.yaml"
    keys = ("kind: cls", "dataset: {path: rows}", "inputs: {text: text}", "label: label", "metrics: [accuracy]")
    card.write_text("\n".join([*keys, "max_length: 32"]))
    (path := Path(tmp_path / "run.yaml")).write_text(f"task: {card}\ndata: {{batch_size: 8}}\n")
    return lambda *more: load_config(path, ["backbone.name=bert-base-uncased", *more])


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ((), 12),
        (("trainer.accumulate_grad_batches=8",), 2),
        (("trainer.devices=2", "trainer.num_nodes=3"), 2),
        (("trainer.devices=[0,1,2,3]",), 3),
        (("trainer.devices='0,1'",), 6),
        (("mixture.steps_per_epoch=1000",), 1000),
        (("mixture.steps_per_epoch=1000", "trainer.accumulate_grad_batches=4", "trainer.devices=2"), 250),
        (("data.tokens_per_batch=128",), 24),
        (("data.tokens_per_batch=16",), 96),
    ],
)
def test_steps_of_an_epoch(config, more, steps):
    assert steps_per_epoch(config(*more), ROWS) == steps
