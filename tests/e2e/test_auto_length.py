"""`prompt.length: auto`: the number stands in the run's config and in the artifact."""

import json

import yaml


def test_auto_becomes_a_number_that_the_run_keeps(ptv2, write_config):
    config = write_config(prompt={"length": "auto"}, trainer={"max_epochs": 1})
    assert ptv2("fit", "--config", config, "--dry-run").code == 0
    said = ptv2("fit", "--config", config)
    assert (said.code, said.err) == (0, "")
    run = config.parent / "runs" / "topics"
    assert yaml.safe_load((run / "config.yaml").read_text())["prompt"]["length"] == 16
    assert json.loads((run / "prompt" / "artifact.json").read_text())["config"]["prompt"]["length"] == 16
    assert "is finished" in ptv2("fit", "--config", config).out
    assert "is finished" in ptv2("fit", "--config", config, "prompt.length=16").out
    said = ptv2("fit", "--config", config, "prompt.length=8")
    assert said.code == 2 and "another config (prompt.length differ)" in said.err


def test_auto_is_the_length_of_the_artifact_that_a_prompt_starts_from(ptv2, write_config, finished):
    config = write_config(
        prompt={"length": "auto", "init": f"artifact:{finished('topics')}"},
        trainer={"max_epochs": 1},
        run={"name": "next", "log_every": 1},
    )
    run = config.parent / "runs" / "next"
    said = ptv2("fit", "--config", config, f"run.folder={config.parent / 'runs'}")
    assert said.code == 0, said.err
    assert yaml.safe_load((run / "config.yaml").read_text())["prompt"]["length"] == 4
