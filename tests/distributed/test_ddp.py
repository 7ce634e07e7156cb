"""Two ranks are one rank with batches of twice the size."""

import json
from pathlib import Path

import pytest
from outcome import HERE, ROUNDING, fault, logged, same, scores, weights

from ptv2.config.load import load_config
from ptv2.train import fit

TWO = ("trainer.devices=2", "trainer.strategy=ddp")


@pytest.fixture
def alone(config, tmp_path):
    """`alone("mixture.batches=mixed")`: the folder of a run of one rank with the batches of two."""

    def run(*more: str) -> Path:
        where = [f"run.folder={tmp_path}/alone", "data.batch_size=16"]
        fit.fit(load_config(config, [*where, *more]))
        return tmp_path / "alone" / "mixture"

    return run


def check_same(folder, other):
    assert same(logged(folder), logged(other), 1e-5)
    assert same(weights(folder), weights(other), ROUNDING)
    assert same(scores(folder), scores(other), 1e-6)


def test_a_step_of_one_task_leaves_other_heads_alone(config, alone, run, tmp_path):
    said = run("-m", "ptv2.fit", "--config", config, *TWO)
    assert said.code == 0, said.err
    folder, other = tmp_path / "runs" / "mixture", alone()
    check_same(folder, other)
    assert said.out.count("step 1/") == said.out.count("artifact: ") == 1
    files = {path.relative_to(other) for path in other.rglob("*") if "tfevents" not in path.name}
    assert {path.relative_to(folder) for path in folder.rglob("*") if "tfevents" not in path.name} == files
    events = [sum("tfevents" in path.name for path in run.rglob("*")) for run in (folder, other)]
    assert events == [2, 2]  # the curves, and the line of the hparams tab: rank zero alone writes them


def test_gradients_of_tasks_where_a_step_has_several_batches(config, alone, two, tmp_path):
    """DDP averages a step's gradients in its last batch; those before it are each rank's own."""
    more = ("trainer.accumulate_grad_batches=2", "mixture.cosine_every=1")
    said = two("--config", config, *TWO, *more)
    assert said.code == 0, said.err
    folder, other = tmp_path / "runs" / "mixture", alone(*more)
    check_same(folder, other)
    assert sum("gradients/mean" in line for line in logged(folder)) > 1


@pytest.fixture(params=["forked", pytest.param("torchrun", marks=pytest.mark.slow)])
def elastic(request, two, torchrun):
    """`elastic("--config", config)`: two ranks that torchrun starts, or that are told what it tells them."""

    def start(*argv):
        if request.param == "torchrun":
            return torchrun(2, HERE / "faulty.py", "note", *argv)
        return two(*argv, before=fault("note"), elastic=True)

    return start


def test_mixed_batches_under_torchrun(config, alone, elastic, tmp_path):
    more = ("mixture.batches=mixed", "trainer.accumulate_grad_batches=2", "data.workers=1")
    said = elastic("--config", config, *TWO, *more)
    assert said.code == 0, said.err
    check_same(tmp_path / "runs" / "mixture", alone(*more))
    assert said.out.count("step 1/") == said.out.count("artifact: ") == 1
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert first["prompt"] == second["prompt"] and first["draw"] != second["draw"]


def test_a_quantised_backbone(config, alone, two, tmp_path):
    """DDP sends every frozen weight to the other ranks once, and knows no quantised tensor."""
    pytest.importorskip("torchao")
    said = two("--config", config, "backbone.quantize=int8", *TWO)
    assert said.code == 0, said.err
    check_same(tmp_path / "runs" / "mixture", alone("backbone.quantize=int8"))
