"""Ranks share the work of the frozen-state cache, and train on it as they do without."""

from outcome import ROUNDING, logged, same, scores, weights

TOP = ("trainer.devices=2", "trainer.strategy=ddp", "prompt.layers=top:1", "mixture.batches=mixed")


def test_two_ranks_train_on_known_states(config, two, tmp_path):
    cache = f"import os\nos.environ['PTV2_CACHE'] = {str(tmp_path / 'cache')!r}\n"
    for name, more in (("plain", ()), ("known", ("backbone.cache=true",))):
        said = two("--config", config, *TOP, f"run.name={name}", *more, before=cache)
        assert said.code == 0, said.err
    folder, other = tmp_path / "runs" / "known", tmp_path / "runs" / "plain"
    assert len(list((tmp_path / "cache" / "states").rglob("*.safetensors"))) == 6  # two splits of three tasks
    assert same(logged(folder), logged(other), 1e-5)
    assert same(weights(folder), weights(other), ROUNDING)
    assert same(scores(folder), scores(other), 1e-6)
