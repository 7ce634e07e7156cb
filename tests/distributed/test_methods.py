"""Methods beside the prompts, on several ranks: with whole frozen layers and with sharded ones."""

import pytest
from outcome import ROUNDING, logged, same, scores, weights

from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.train import fit
from ptv2.train.strategy import make_strategy

DDP = "trainer.strategy=ddp"
FSDP2 = "trainer.strategy=fsdp2"


@pytest.mark.parametrize("method", ["deep+lora", pytest.param("adapter", marks=pytest.mark.slow)])
def test_sharded_layers_take_what_is_trained_beside_them(method, config, two, tmp_path):
    for name, strategy in (("ddp", DDP), ("fsdp2", FSDP2)):
        said = two("--config", config, strategy, f"method={method}", f"run.name={name}")
        assert said.code == 0, said.err
    folder, other = tmp_path / "runs" / "fsdp2", tmp_path / "runs" / "ddp"
    assert same(logged(folder), logged(other), 1e-5)
    assert same(weights(folder), weights(other), ROUNDING)
    assert same(scores(folder), scores(other), 1e-6)


@pytest.mark.parametrize("method", ["bitfit", pytest.param("ia3", marks=pytest.mark.slow)])
def test_two_ranks_are_one_device_with_twice_the_batch(method, config, two, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = two("--config", config, DDP, f"method={method}", "run.name=ddp")
    assert said.code == 0, said.err
    fit.fit(load_config(config, ["data.batch_size=16", f"method={method}", "run.name=one"]))
    folder, other = (weights(tmp_path / "runs" / name) for name in ("ddp", "one"))
    assert folder.keys() == other.keys()
    # What all keys add to their scores is lost in the softmax: the gradient of their bias is one of rounding.
    seen = [name for name in folder if not name.endswith("key.bias")]
    assert all(same(folder[name], other[name], ROUNDING) for name in seen)


@pytest.mark.parametrize("method", ["bitfit", "deep+bitfit"])
def test_weights_that_train_are_not_sharded(method, config):
    values = load_config(config, [f"method={method}", "trainer.devices=2", FSDP2])
    with pytest.raises(UserError) as error:
        make_strategy(values, values.trainer)
    said = f"method: {method}: cannot be used with trainer.strategy fsdp2; use ddp"
    assert str(error.value) == said
