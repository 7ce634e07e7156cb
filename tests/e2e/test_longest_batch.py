"""`data.try_longest`: what does not fit shows before the first step, and nothing else changes."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ptv2.train.callbacks import longest


def left(folder):
    return (folder / "metrics.jsonl").read_text(), load_file(folder / "prompt" / "weights.safetensors")


@pytest.mark.parametrize("more", [(), ("data.tokens_per_batch=40",)])
def test_a_run_that_tried_its_longest_batch_is_the_same(ptv2, write_config, tmp_path, more):
    config = write_config(trainer={"max_epochs": 1})
    assert ptv2("fit", "--config", config, "run.name=plain", *more).code == 0
    said = ptv2("fit", "--config", config, "run.name=tried", "data.try_longest=true", *more)
    assert said.code == 0, said.err
    rows = 8 if not more else 4
    assert f"the longest batch of topics, {rows} x 10 tokens, fits: " in said.out
    (lines, weights), (others, theirs) = left(tmp_path / "runs" / "plain"), left(tmp_path / "runs" / "tried")
    assert lines == others and all(torch.equal(weights[name], theirs[name]) for name in weights)


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ((), "max_length, or use backbone.gradient_checkpointing\n"),
        (("backbone.memory_budget=2",), "max_length, or backbone.memory_budget=2\n"),
        (("backbone.gradient_checkpointing=true",), "data.tokens_per_batch or max_length\n"),
    ],
)
def test_a_batch_that_does_not_fit_ends_the_run_in_one_line(ptv2, write_config, monkeypatch, more, remedy):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(longest, "compute", full)
    said = ptv2("fit", "--config", write_config(), "data.try_longest=true", *more)
    assert said.code == 2 and said.err.count("\n") == 1 and said.err.endswith(remedy)
    assert (
        "data.batch_size: a batch of 8 x 10 tokens, the longest of task 'topics', does not fit the memory" in said.err
    )


@pytest.mark.parametrize(("more", "share"), [((), (0, 0.1)), (("data.pad_to_max=true",), (0.6, 0.8))])
def test_the_share_of_padding_is_reported(ptv2, write_config, tmp_path, more, share):
    config = write_config(trainer={"max_steps": 1})
    assert ptv2("fit", "--config", config, *more).code == 0
    low, high = share
    assert low < json.loads((tmp_path / "runs" / "topics" / "results.json").read_text())["padding"] < high
    said = ptv2("fit", "--config", config, "run.name=dry", "--dry-run", *more)
    assert "padding of the training batches: " in said.out
