"""`backbone.memory_budget`: a run says what it chose, and trains as any other."""

import re

import pytest
import torch
from safetensors.torch import load_file


def test_a_run_with_a_budget_is_the_same(ptv2, write_config, tmp_path):
    config = write_config(trainer={"max_epochs": 1})
    assert ptv2("fit", "--config", config, "run.name=plain").code == 0
    weights = load_file(tmp_path / "runs" / "plain" / "prompt" / "weights.safetensors")
    for budget, chosen in (("1", r"=1: 0 of \d+ layers"), ("0.0000001", r"=1e-07: (\d+) of \1 layers")):
        said = ptv2("fit", "--config", config, f"run.name={budget}", f"backbone.memory_budget={budget}")
        assert said.code == 0, said.err
        line = rf"backbone\.memory_budget{chosen} are recomputed in the backward pass; of 8 of the longest"
        assert re.search(line, said.out), said.out
        assert ("more than the budget" in said.out) == (budget != "1")
        theirs = load_file(tmp_path / "runs" / budget / "prompt" / "weights.safetensors")
        for name in weights:
            torch.testing.assert_close(theirs[name], weights[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["backbone.memory_budget=-1"], "'backbone.memory_budget' is -1"),
        (["backbone.memory_budget=0"], "'backbone.memory_budget' is 0"),
        (["backbone.memory_budget=much"], "backbone.memory_budget"),
        (["backbone.memory_budget=1", "backbone.gradient_checkpointing=true"], "recomputes all; set one of them"),
    ],
)
def test_nonsense_is_refused_in_one_line(ptv2, write_config, words, what):
    said = ptv2("fit", "--config", write_config(), *words)
    assert said.code == 2 and said.err.count("\n") == 1
    assert what in said.err
