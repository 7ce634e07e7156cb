"""FSDP2: the frozen layers are sharded, and nothing else is different."""

import json

import pytest
from outcome import ROUNDING, fault, logged, same, scores, weights

from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.train import fit
from ptv2.train.sharded import FSDP1Strategy
from ptv2.train.strategy import make_strategy

FSDP2 = ("trainer.devices=2", "trainer.strategy=fsdp2")
DDP = ("trainer.devices=2", "trainer.strategy=ddp")


@pytest.mark.parametrize(
    ("start", "strategy", "parts"),
    [
        ("note", "fsdp2", 48),  # 16 parameters in each of three layers
        pytest.param("cpu", "fsdp", 3, marks=pytest.mark.slow),
    ],
)
def test_it_is_ddp_with_a_smaller_backbone(start, strategy, parts, config, two, tmp_path):
    said = two("--config", config, f"trainer.strategy={strategy}", before=fault(start))
    assert said.code == 0, said.err
    sharded = [json.loads((tmp_path / f"rank-{rank}.json").read_text())["parts"] for rank in (0, 1)]
    assert sharded == [[parts, parts], [parts, parts]]  # before the first step and after the last
    assert two("--config", config, *DDP, "run.name=ddp").code == 0
    folder, other = tmp_path / "runs" / "mixture", tmp_path / "runs" / "ddp"
    assert same(logged(folder), logged(other), 1e-5)
    assert same(weights(folder), weights(other), ROUNDING)
    assert same(scores(folder), scores(other), 1e-6)


@pytest.fixture
def train(config, two, tmp_path, monkeypatch):
    """`train(FSDP2, "run.name=x")`: the folder of a run, all runs with batches of the same size."""
    monkeypatch.chdir(tmp_path)

    def start(ways, name, *more):
        more = ("optim.schedule=constant", f"run.name={name}", *more)
        if ways:
            said = two("--config", config, *ways, *more)
            assert said.code == 0, said.err
        else:
            fit.fit(load_config(config, ["data.batch_size=16", *more]))
        return tmp_path / "runs" / name

    return start


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then"),
    [((), FSDP2), (FSDP2, DDP), (DDP, FSDP2), (FSDP2, ()), ((), DDP)],
    ids=["one to fsdp2", "fsdp2 to ddp", "ddp to fsdp2", "fsdp2 to one", "one to ddp"],
)
def test_a_checkpoint_of_one_goes_on_in_the_other(train, first, then):
    """The optimiser's moments are in it: without them, the first step at this learning rate is off by 0.02."""
    straight = train((), "straight")
    half = train(first, "half", "trainer.max_epochs=1")
    whole = train(then, "whole", f"resume={half}")
    assert logged(whole)[0]["step"] > 0
    assert same(weights(whole), weights(straight), 1e-5)


@pytest.mark.parametrize(
    ("override", "where"),
    [
        ("method=full", "method: full"),
        ("backbone.compile=true", "backbone.compile"),
        ("backbone.quantize=int8", "backbone.quantize"),
    ],
)
def test_what_trains_or_compiles_or_packs_frozen_layers_is_refused(config, override, where):
    values = load_config(config, [override, *FSDP2])
    with pytest.raises(UserError, match=f"{where}.*cannot be used with trainer.strategy fsdp2; use ddp"):
        make_strategy(values, values.trainer)


def test_fsdp1_is_refused_on_cpus_and_taken_on_gpus(config, monkeypatch):
    values = load_config(config, ["trainer.devices=2", "trainer.strategy=fsdp", "trainer.accelerator=auto"])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"^trainer: 'trainer.strategy' is 'fsdp', which needs GPUs; use fsdp2"):
        make_strategy(values, values.trainer)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert isinstance(make_strategy(values, values.trainer), FSDP1Strategy)
    with pytest.raises(UserError, match="which needs GPUs"):
        make_strategy(values, values.trainer | {"accelerator": "cpu"})
