"""`ptv2.search`: every trial is a run, many processes share a study, and a search goes on where it was killed."""

import json
import os
import re
import signal
import sys
from types import SimpleNamespace

import optuna
import pytest
import yaml
from optuna.pruners import MedianPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from scene import Said, make_config, write_cards
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ptv2.commands import search as command
from ptv2.train.fit import fit
from ptv2.train.search.plan import make_plan
from ptv2.train.search.search import open_study, search
from ptv2.train.search.study import SharedStudy

GRID = ("--space", "optim.lr=0.001,0.02", "--space", "prompt.length=2,4", "--sampler", "grid")


def trials(folder):
    """State, parameters and score of every trial, as Optuna reads them."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.jsonl")))
    return optuna.load_study(study_name="search", storage=storage).trials


@pytest.fixture(scope="module")
def grid(tmp_path_factory, tiny_bert, cards):
    """A finished grid of four trials."""
    folder = tmp_path_factory.mktemp("grid")
    config = make_config(folder, tiny_bert, cards["topics"])
    plan = make_plan(config, space=GRID[1:4:2], sampler="grid")
    said = []
    search(open_study(plan), said.append)
    return config, plan.folder, said


def test_a_grid_runs_every_point_once(grid):
    _, folder, said = grid
    assert folder.name == "topics-search"
    points = {(t.params["optim.lr"], t.params["prompt.length"]) for t in trials(folder)}
    assert points == {(lr, p) for lr in ("0.001", "0.02") for p in ("2", "4")} and len(trials(folder)) == 4
    assert len(said) == 8 and said[0] == "trial 0: optim.lr=0.001 prompt.length=2 begins"
    assert re.fullmatch(r"trial 3: optim.lr=0.02 prompt.length=4 finished, score \d\.\d{4}", said[-1])


def test_a_trial_is_a_run_that_never_reads_test_rows(grid):
    _, folder, _ = grid
    for trial in trials(folder):
        run = folder / "trials" / str(trial.number)
        results = json.loads((run / "results.json").read_text())
        assert list(results["scores"]) == ["validation"]
        assert {split for splits in results["rows"].values() for split in splits} == {"train", "validation"}
        assert trial.value == results["scores"]["validation"]["topics"]["accuracy"]
        assert yaml.safe_load((run / "config.yaml").read_text())["prompt"]["length"] == int(
            trial.params["prompt.length"]
        )
        assert len(trial.intermediate_values) == 2  # one for each epoch


def test_the_best_config_runs_as_it_is(grid, ptv2):
    _, folder, _ = grid
    best = max(trials(folder), key=lambda trial: trial.value)
    said = ptv2("fit", "--config", folder / "best.yaml")
    assert (said.code, said.err) == (0, "")
    results = json.loads((folder.parent / "topics-search-best" / "results.json").read_text())
    assert results["scores"]["validation"]["topics"]["accuracy"] == best.value and "test" in results["scores"]


def test_the_table_and_the_hparams_tab_have_a_line_per_trial(grid):
    _, folder, _ = grid
    lines = (folder / "trials.md").read_text().splitlines()
    assert lines[0].endswith("4 of 4 trials by score on 16 validation rows")
    assert lines[2] == "| trial | state | score | optim.lr | prompt.length | validations | why |" and len(lines) == 8
    for trial in trials(folder):
        assert any(line.startswith(f"| {trial.number} | finished | {trial.value:.4f} |") for line in lines)
        found = EventAccumulator(str(folder / "trials" / str(trial.number))).Reload()
        assert "_hparams_/session_start_info" in found.summary_metadata
        assert found.Scalars("search/score")[0].value == pytest.approx(trial.value)


def test_a_finished_search_runs_nothing_again(grid, ptv2):
    config, folder, _ = grid
    before = (folder / "study.jsonl").read_bytes()
    said = ptv2("search", "--config", config, *GRID)
    assert (said.code, said.err) == (0, "") and "4 of 4 trials" in said.out
    assert (folder / "study.jsonl").read_bytes() == before


def test_another_search_is_refused_the_folder(grid, ptv2):
    config, folder, _ = grid
    for argv, differ in (
        ((*GRID, "seed=3"), "seed"),
        ((*GRID[:2], *GRID[4:]), "space.prompt.length"),
        ((*GRID[:4], "--sampler", "random", "--trials", "2"), "sampler"),
        ((*GRID, "--prune"), "prune"),
    ):
        said = ptv2("search", "--config", config, *argv)
        where = f"error: {folder}: holds another search ({differ} differ); give this one another run.name\n"
        assert (said.code, said.err) == (2, where)
    assert len(trials(folder)) == 4


def test_a_run_is_no_search(ptv2, finished):
    folder = finished("topics")
    config = folder.parent.parent / "topics.yaml"
    said = ptv2("search", "--config", config, *GRID, "run.name=topics")
    assert said.code == 2 and said.err == f"error: {folder}: is not empty and is no search; choose another run.name\n"


@pytest.fixture(params=["forked", pytest.param("started anew", marks=pytest.mark.slow)])
def search_in_two(request, ptv2, spawn, zygote, monkeypatch):
    """`search_in_two("--config", ...)`: `ptv2.search --jobs 2`, whose processes are forked or import everything."""
    made = []

    class Forked:
        def __init__(self, line, env):
            assert line[:3] == [sys.executable, "-m", "ptv2.search"] and int(env["OMP_NUM_THREADS"]) > 0
            self.process = zygote("search", line[3:])
            made.append(self.process)

        def wait(self):
            return self.process.wait().code

    def run(*argv):
        if request.param == "started anew":
            return spawn("search", *argv, "--jobs", "2")
        monkeypatch.setattr(command, "subprocess", SimpleNamespace(Popen=Forked))
        said = ptv2("search", *argv, "--jobs", "2")
        return Said(said.code, said.out + "".join(process.wait().out for process in made), said.err)

    return run


def test_a_killed_search_goes_on_in_two_processes_with_no_trial_twice(write_config, search_in_two, zygote):
    config = write_config(trainer={"max_epochs": 8}, optim={"lr": 0.01})
    folder = config.parent / "runs" / "topics-search"
    argv = ("--space", "optim.lr=0.001..0.02:log", "--sampler", "random", "--trials", "2")
    process = zygote("search", ["--config", config, *argv])
    process.until(lambda: list(folder.glob("trials/0/checkpoints/step-*.ckpt")))
    process.signal(signal.SIGKILL)
    process.wait()
    (left,) = trials(folder)
    assert left.state.name == "RUNNING"
    said = search_in_two("--config", config, *argv)
    assert said.code == 0, said.err
    assert f"trial 0: optim.lr={left.params['optim.lr']} goes on" in said.out
    made = trials(folder)
    assert [trial.state.name for trial in made] == ["COMPLETE"] * 2 and made[0].params == left.params
    assert len({trial.params["optim.lr"] for trial in made}) == 2
    assert made[1].datetime_start < made[0].datetime_complete  # side by side
    steps = [json.loads(line)["step"] for line in (folder / "trials/0/metrics.jsonl").read_text().splitlines()]
    assert len(set(steps)) == 48 and json.loads((folder / "trials/0/results.json").read_text())["steps"] == 48
    assert made[0].user_attrs["begun"][1] > 0 and len(made[0].intermediate_values) == 8


def test_a_search_that_is_asked_to_stop_saves_its_trial(write_config, ptv2, monkeypatch):
    config = write_config()
    folder = config.parent / "runs" / "topics-search"
    argv = ("search", "--config", config, "--space", "prompt.length=2", "--sampler", "grid")
    with monkeypatch.context() as during:
        stop = lambda validation, score: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
        during.setattr(SharedStudy, "reporter", lambda study, number: stop)
        said = ptv2(*argv)
    assert (said.code, said.err) == (75, "stopped by SIGTERM; step 6 is saved, the same command resumes from it\n")
    assert [trial.state.name for trial in trials(folder)] == ["RUNNING"]
    assert ptv2(*argv).code == 0
    assert [trial.state.name for trial in trials(folder)] == ["COMPLETE"]


def test_a_trial_whose_process_ends_again_and_again_is_given_up(write_config, ptv2, monkeypatch):
    config = write_config()
    folder = config.parent / "runs" / "topics-search"
    argv = ("search", "--config", config, "--space", "prompt.length=2,3", "--sampler", "grid")

    class Killed(BaseException):
        pass

    def fails(config, callbacks):
        if config.prompt.length == 2:
            raise Killed
        return fit(config, callbacks)

    monkeypatch.setattr("ptv2.train.search.trial.fit", fails)
    monkeypatch.setattr("ptv2.train.search.study.STARTS", 2)
    for _ in range(2):
        with pytest.raises(Killed):
            ptv2(*argv)
        assert [made.state.name for made in trials(folder)] == ["RUNNING"]
    said = ptv2(*argv)
    assert said.code == 0 and "its process ended 2 times behind step 0" in said.out
    assert [made.state.name for made in trials(folder)] == ["FAIL", "COMPLETE"]


def test_a_trial_that_stays_behind_is_pruned(write_config, ptv2, monkeypatch):
    monkeypatch.setattr("ptv2.train.search.study.PRUNER", MedianPruner(n_startup_trials=1, n_warmup_steps=2))
    config = write_config(trainer={"max_epochs": 4})
    space = ("--space", "optim.lr=0.05,1e-8", "--sampler", "grid")
    said = ptv2("search", "--config", config, *space, "--prune")
    folder = config.parent / "runs" / "topics-search"
    made = trials(folder)
    assert said.code == 0 and [trial.state.name for trial in made] == ["COMPLETE", "PRUNED"]
    about = json.loads((folder / "trials/1/pruned.json").read_text())
    assert 2 <= about["validations"] == len(made[1].intermediate_values) < 4
    assert about["reason"] in (folder / "trials.md").read_text() and about["reason"] in said.out
    assert not (folder / "trials/1/results.json").exists()


def test_a_trial_whose_loss_diverges_fails_and_the_search_goes_on(write_config, ptv2):
    config = write_config()
    said = ptv2("search", "--config", config, "--space", "optim.lr=1e30,0.02", "--sampler", "grid")
    made = trials(config.parent / "runs" / "topics-search")
    assert (said.code, said.err) == (0, "") and [trial.state.name for trial in made] == ["FAIL", "COMPLETE"]
    assert "non-finite" in made[0].user_attrs["reason"] and "non-finite" in said.out


def test_rows_that_have_changed_are_refused(tmp_path, tiny_bert, ptv2):
    (tmp_path / "runs-of").mkdir()
    config = make_config(tmp_path / "runs-of", tiny_bert, write_cards(tmp_path)["topics"])
    argv = ("search", "--config", config, "--space", "prompt.length=2,3,4", "--sampler", "grid")
    assert ptv2(*argv, "--trials", "1").code == 0
    with (tmp_path / "topics" / "train.jsonl").open("a") as file:
        file.write('{"text": "a cow", "label": "animal"}\n')
    said = ptv2(*argv, "--trials", "2")
    what = "the rows of topics.train are not those that the search began with"
    assert said.code == 2 and said.err.endswith(f"{what}; restore the old rows, or choose another run.name\n")


def test_what_no_run_could_do_is_said_before_anything_is_written(write_config, ptv2):
    config = write_config()
    for override, says in (
        ("task.dataset.data_files.validation=null", "has no validation rows; name a validation split or file"),
        ("task.inputs.text=nothing", "nothing"),
        ("backbone.name=./none", "no such folder"),
    ):
        said = ptv2("search", "--config", config, *GRID, override)
        assert said.code == 2 and says in said.err and said.err.count("\n") == 1
        assert not (config.parent / "runs").exists()


def test_a_space_of_devices_is_refused_before_its_first_trial(write_config, ptv2):
    config = write_config()
    said = ptv2("search", "--config", config, "--sampler", "grid", "--space", "trainer.devices=1,2")
    assert said.code == 2 and "a search trains each run on one device; set trainer.devices=1" in said.err
    assert not (config.parent / "runs").exists()


def test_a_search_is_no_run_of_several_ranks(write_config, ptv2, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = ptv2("search", "--config", write_config(), *GRID)
    what = "a search trains each run on one device; start it without torchrun; --jobs N trains N of them at a time"
    assert (said.code, said.err) == (2, f"error: command line: {what}\n")
