"""Two ranks train prompt, prefix and ptuning as one rank with batches of twice the size does."""

import pytest
from outcome import ROUNDING, logged, same, scores, weights

from ptv2.config.load import load_config
from ptv2.train import fit

METHODS = {
    "prompt": ("method=prompt", "prompt.ensemble=2", "prompt.sharing=task", "prompt.init=uniform"),
    "prefix": ("method=prefix", "prompt.projection=8"),
    "ptuning": ("method=ptuning", "ptuning.hidden=8", "prompt.sharing=shared+task"),
}


@pytest.mark.parametrize(
    "method", ["prompt", *(pytest.param(name, marks=pytest.mark.slow) for name in ("prefix", "ptuning"))]
)
def test_two_ranks_are_one(method, config, two, tmp_path):
    more = (*METHODS[method], "mixture.batches=mixed", "trainer.max_epochs=1")
    said = two("--config", config, "trainer.strategy=ddp", *more)
    assert said.code == 0, said.err
    fit.fit(load_config(config, [*more, f"run.folder={tmp_path}/alone", "data.batch_size=16"]))
    folder, other = tmp_path / "runs" / "mixture", tmp_path / "alone" / "mixture"
    assert same(logged(folder), logged(other), 1e-5)
    assert same(weights(folder), weights(other), ROUNDING)
    assert same(scores(folder), scores(other), 1e-6)
