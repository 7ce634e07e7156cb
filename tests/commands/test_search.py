"""`python -m ptv2.search`: what is refused before anything is run, each in one line."""

import sys
from pathlib import Path

import ptv2.configs
import pytest
import yaml

from ptv2.commands import search, shell
from ptv2.train.search.plan import make_plan

LR = ("--space", "optim.lr=1e-3,1e-2")


@pytest.fixture
def config(tmp_path):
    values = {"task": "demo/bbc_topic", "backbone": {"name": "some/model"}, "run": {"folder": str(tmp_path / "runs")}}
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def refused(config, capsys, monkeypatch):
    """`refused("--space", ...)`: what the command says of a line that it refuses."""
    monkeypatch.setattr(sys, "argv", ["ptv2"])

    def run(*argv, file=config):
        with pytest.raises(SystemExit) as end:
            shell.run(search.main, search.command_line(), ["--config", str(file), *map(str, argv)])
        said = capsys.readouterr()
        assert end.value.code == 2 and said.out == "" and said.err.count("\n") == 1
        assert not list(file.parent.glob("runs*"))
        return said.err

    return run


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ((), "no key to search; add e.g. --space optim.lr=1e-3..1e-2:log"),
        (("--space", "optim.lr"), "--space: 'optim.lr'; write e.g."),
        (("--space", "optim.lrr=1,2", "--sampler", "grid"), "unknown key 'optim.lrr'; did you mean 'lr'?"),
        (("--space", "optim.lr=0.1,-1", "--sampler", "grid"), "'optim.lr' is -1.0; use a number above 0"),
        (("--space", "optim.lr=-1..1", "--trials", "3"), "'optim.lr' is -1.0; use a number above 0"),
        (("--space", "prompt.dropout_per=batch,exmple", "--sampler", "grid"), "is 'exmple'; did you mean 'example'?"),
        (("--space", "optim.lr=1..2", "--sampler", "grid"), "write e.g. optim.lr=1.0..2.0:4 for four of its values"),
        (LR, "how many runs 'tpe' may make is not said; add --trials 20, or --sampler grid"),
        ((*LR, "--sampler", "best"), "invalid choice: 'best'"),
        ((*LR, "--trials", "0"), "'0' is not a whole number from 1"),
        ((*LR, "--jobs", "two"), "'two' is not a whole number from 1"),
        ((*LR, "--sampler", "grid", "run.overwrite=true"), "run.overwrite: a search resumes its runs"),
        ((*LR, "--sampler", "grid", "resume=never"), "resume: a search resumes its runs"),
        ((*LR, "--sampler", "grid", "trainer.devices=2"), "trainer.devices=1; --jobs N trains N of them at a time"),
        ((*LR, "--sampler", "grid", "optim.wramup=1"), "did you mean 'warmup'?"),
    ],
)
def test_a_wrong_line_is_refused(refused, argv, says):
    assert says in refused(*argv)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"space": {"optim.lr": [0.1]}}, "'base' has no value; set it"),
        ({"base": "none.yaml", "space": {"optim.lr": [0.1]}}, "none.yaml: no such config file"),
        (
            {"base": "one.yaml", "space": {"optim.lr": [0.1]}, "sampler": "gird"},
            "'sampler' is 'gird'; did you mean 'grid'?",
        ),
        (
            {"base": "one.yaml", "space": {"optim.lr": [0.1]}, "trails": 3},
            "unknown key 'trails'; did you mean 'trials'?",
        ),
        ({"base": "one.yaml", "space": {"optim.lr": [0.1]}, "trials": 0}, "'trials' is 0"),
        ({"base": "one.yaml", "space": ["optim.lr"]}, "'space' is"),
        ({"base": "one.yaml", "space": {}}, "no key to search"),
        ({"base": "one.yaml", "space": {"optim": {"lr": [0.1]}}}, "no list and no range"),
    ],
)
def test_a_wrong_file_is_refused(refused, config, values, says):
    file = config.with_name("search.yaml")
    file.write_text(yaml.safe_dump(values))
    assert says in refused(file=file)


def test_without_optuna_one_line_says_how_to_get_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert refused(*LR) == "error: ptv2.search: needs Optuna; pip install 'ptv2[search]'\n"


def test_the_line_comes_before_the_file(config):
    file = config.with_name("search.yaml")
    file.write_text(yaml.safe_dump({"base": "one.yaml", "space": {"optim.lr": [0.1, 0.2]}, "sampler": "grid"}))
    plan = make_plan(file)
    assert (plan.trials, plan.prune, plan.folder.name) == (2, False, "one-search")
    plan = make_plan(file, space=["optim.lr=1e-3..1e-2:log"], overrides=["run.name=mine"], sampler="random", trials=7)
    assert (plan.trials, plan.sampler, plan.folder.name, plan.points) == (7, "random", "mine", None)


def test_the_jobs_get_the_line_that_was_typed():
    line = ["--config", "a.yaml", "--base", "b.yaml", *LR, "--sampler", "tpe", "--trials", "3", "--prune", "seed=2"]
    options = search.command_line().parse_intermixed_args([*line, "--jobs", "4", "--import", "mine.py"])
    again = search.command_line().parse_intermixed_args([*search.words(options), "--job"])
    assert vars(again) == vars(options) | {"jobs": 1, "job": True}


def test_the_grid_of_the_paper_is_what_its_authors_advise():
    plan = make_plan(Path(next(iter(ptv2.configs.__path__)), "search", "paper.yaml"))
    rates, lengths = plan.space.values()
    assert (rates.values[0], rates.values[-1]) == ("0.001", "0.01") and lengths.values == (
        "4",
        "8",
        "16",
        "32",
        "64",
        "128",
    )
    assert (plan.sampler, plan.trials, len(list(plan.grid()))) == ("grid", 24, 24)
