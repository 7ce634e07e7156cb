"""Nothing decides from where the user does not look: what a resumed or finished run takes from the config of now."""

import json

import pytest
import torch
from safetensors.torch import load_file

LOW = "optim.lr=0.000000001"


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def resumed(ptv2, config, tmp_path, *more):
    """A finished run resumed under another name for three epochs more: (its folder, that of the run before)."""
    assert ptv2("fit", "--config", config).code == 0
    first = tmp_path / "runs" / "topics"
    said = ptv2("fit", "--config", config, f"resume={first}", "run.name=more", "trainer.max_epochs=5", *more)
    assert said.code == 0, said.err
    return tmp_path / "runs" / "more", first


def weights(folder):
    return load_file(folder / "prompt" / "weights.safetensors")


@pytest.mark.parametrize("schedule", ["constant", "linear", "exponential"])
def test_another_learning_rate_holds_from_the_first_step(ptv2, write_config, tmp_path, schedule):
    config = write_config(optim={"lr": 0.02, "schedule": schedule})
    folder, first = resumed(ptv2, config, tmp_path, LOW)
    rates = [line["train/lr"] for line in logged(folder) if "train/lr" in line]
    assert rates and max(rates) <= 1e-9
    before, after = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (first, folder)
    )
    assert all(torch.allclose(before[name], tensor, atol=1e-6) for name, tensor in after.items())


def test_the_same_learning_rate_goes_on_as_it_was(ptv2, write_config, tmp_path):
    config = write_config(optim={"lr": 0.02, "schedule": "constant", "weight_decay": 0.1})
    folder, _ = resumed(ptv2, config, tmp_path)
    said = ptv2("fit", "--config", config, "run.name=whole", "trainer.max_epochs=5")
    assert said.code == 0
    whole = weights(tmp_path / "runs" / "whole")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(folder).items())


def test_rows_that_changed_are_not_scored_by_an_old_table(ptv2, write_config, cards, tmp_path):
    config = write_config()
    rows = cards["topics"].with_suffix("") / "validation.jsonl"
    text = rows.read_text()
    assert ptv2("fit", "--config", config).code == 0
    assert "is finished" in ptv2("fit", "--config", config).out
    try:
        rows.write_text(text.replace("animal", "fruit", 1))
        said = ptv2("fit", "--config", config)
        what = "tasks.topics.dataset: the validation rows have changed since the run was finished"
        assert said.code == 2 and what in said.err and "overwrite=true" in said.err and said.out == ""
        rows.unlink()
        said = ptv2("fit", "--config", config)
        assert said.code == 2 and "validation rows have changed" in said.err
    finally:
        rows.write_text(text)
    assert "is finished" in ptv2("fit", "--config", config).out


def test_runs_of_several_seeds_are_scored_on_the_same_rows(ptv2, write_config, tmp_path):
    config = write_config(data={"batch_size": 8, "limit": {"train": 16, "validation": 6, "test": 6}})
    for seed in (1, 2):
        assert ptv2("fit", "--config", config, f"seed={seed}", f"run.name=s{seed}").code == 0

    def ids(seed, split):
        lines = (tmp_path / "runs" / f"s{seed}" / "predictions" / f"topics.{split}.jsonl").read_text().splitlines()
        return [json.loads(line)["id"] for line in lines]

    for split in ("validation", "test"):
        assert ids(1, split) == ids(2, split)
    said = ptv2("fit", "--config", config, "seed=1", "data.seed=5", "run.name=other")
    assert said.code == 0
    lines = (tmp_path / "runs" / "other" / "predictions" / "topics.test.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] != ids(1, "test")


def test_training_ends_when_validation_gets_no_better(ptv2, write_config, tmp_path):
    config = write_config(optim={"lr": 1e-9}, trainer={"max_epochs": 9})
    assert ptv2("fit", "--config", config, "guard.patience=2").code == 0
    results = json.loads((tmp_path / "runs" / "topics" / "results.json").read_text())
    assert results["steps"] == 18  # the first epoch sets the score, two more do not better it


def test_patience_needs_validation_rows(ptv2, write_config, tmp_path, cards):
    only = tmp_path / "only"
    only.mkdir()
    (only / "train.jsonl").write_text((cards["topics"].with_suffix("") / "train.jsonl").read_text())
    said = ptv2("fit", "--config", write_config(), f"task.dataset.path={only}", "guard.patience=2")
    assert said.code == 2 and said.err.startswith("error: guard.patience: no task has validation rows")
