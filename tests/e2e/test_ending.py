"""A run that a limit ends before its steps are done says so, and so does one that has nothing left to train."""

import json

NO_TIME = "trainer.max_time={milliseconds: 1}"


def read(config, name="topics"):
    return json.loads((config.parent / "runs" / name / "results.json").read_text())


def test_a_run_that_patience_ends_says_so(ptv2, write_config):
    config = write_config(trainer={"max_epochs": 9}, optim={"lr": 1e-9, "head_lr": 1e-9})
    said = ptv2("fit", "--config", config, "guard.patience=1")
    assert said.code == 0, said.err
    found = read(config)
    assert found["ended_by"] == "guard.patience=1" and 0 < found["steps"] < found["planned_steps"]
    planned = f"{found['steps']} done of {found['planned_steps']} planned, ended by guard.patience=1"
    assert f"best step {found['best_step']} of {planned}" in said.out


def test_a_run_that_time_ends_says_so_and_names_it_before_all_else(ptv2, write_config):
    config = write_config(trainer={"max_epochs": 2}, optim={"lr": 1e-9, "head_lr": 1e-9})
    said = ptv2("fit", "--config", config, NO_TIME)
    assert said.code == 0, said.err
    assert "ended by trainer.max_time" in said.out and read(config)["ended_by"] == "trainer.max_time"
    if "not learned" in said.out:
        assert "trainer.max_time ended training early: raise it first. Try, one at a time:" in said.out


def test_a_whole_run_was_ended_by_nothing(ptv2, write_config):
    config = write_config(trainer={"max_epochs": 1})
    said = ptv2("fit", "--config", config)
    assert read(config)["ended_by"] is None and "ended by" not in said.out


def test_a_run_without_a_step_left_says_what_it_is_and_why(ptv2, write_config):
    config = write_config(trainer={"max_epochs": 2})
    first = config.parent / "runs" / "topics"
    assert ptv2("fit", "--config", config, NO_TIME).code == 0
    said = ptv2("fit", "--config", config, NO_TIME, f"resume={first}", "run.name=next")
    assert said.code == 0, said.err
    step, planned = read(config)["steps"], read(config)["planned_steps"]
    assert "method    deep" in said.out and f"resuming from step {step} of {planned} (checkpoint " in said.out
    assert "nothing is left to train: trainer.max_time counts the sessions before this one; raise it" in said.out
    said = ptv2("fit", "--config", config, f"resume={first}", "run.name=more")
    assert read(config, "more")["steps"] == planned and "nothing is left" not in said.out


def test_a_run_without_an_epoch_plans_no_step(ptv2, write_config):
    config = write_config(trainer={"max_epochs": 0})
    said = ptv2("fit", "--config", config)
    assert said.code == 0 and "0 steps" in said.out, said
    assert (read(config)["steps"], read(config)["planned_steps"]) == (0, 0)
