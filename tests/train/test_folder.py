"""The run folder's rules. What a whole run does with it stands in e2e/test_fit.py."""

import json
import os

import pytest
import yaml

from ptv2.config.load import make_config
from ptv2.errors import UserError
from ptv2.runtime import environment as environments
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text
from ptv2.train.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    def make(*overrides):
        values = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "a", "folder": str(tmp_path)}}
        return RunFolder(make_config(values, list(overrides)))

    return make


def refuses(made, says):
    with pytest.raises(UserError, match=says):
        made.check()


def test_a_new_folder_may_be_opened_and_opened_again(folder):
    folder().check()
    assert not folder().path.exists()
    folder().open()
    folder().check()
    folder("run.overwrite=true").check()
    assert not folder().finished


def test_only_a_run_of_the_same_config_goes_on(folder):
    folder().open()
    refuses(folder("seed=3", "prompt.length=8"), r"another config \(prompt.length, seed differ\)")
    refuses(folder("data.limit.train=3"), r"\(data.limit.train differ\)")
    folder("seed=3", "run.overwrite=true").check()


def test_a_run_goes_on_whose_config_lacks_newer_keys_or_has_a_name_like_a_number(folder):
    folder("run.name=1e5").open()
    file = folder("run.name=1e5").path / "config.yaml"
    held = yaml.safe_load(file.read_text())
    assert held["run"]["name"] == "1e5"
    del held["import"], held["run"]["callbacks"], held["guard"]
    file.write_text(yaml.safe_dump(held))  # which leaves 1e5 without quotes
    folder("run.name=1e5").check()
    refuses(folder("run.name=1e5", "seed=3"), r"\(seed differ\)")


def test_a_run_is_finished_when_it_has_results(folder):
    made = folder()
    made.open()
    made.write_results({"scores": {}})
    assert folder().finished and json.loads(made.results_file.read_text()) == {"scores": {}}
    assert not folder("run.overwrite=true").finished


def test_overwrite_empties_the_folder_when_it_is_opened(folder):
    folder().open()
    (folder().path / "notes.txt").write_text("old")
    folder("run.overwrite=true", "seed=3").check()
    assert (folder().path / "notes.txt").exists()
    folder("run.overwrite=true", "seed=3").open()
    assert {path.name for path in folder().path.iterdir()} == {"config.yaml", ".lock"}


def test_a_folder_with_somebody_elses_config_is_not_emptied(folder):
    folder().path.mkdir()
    (folder().path / "config.yaml").write_text("theme: dark\n")
    for made in (folder(), folder("run.overwrite=true")):
        refuses(made, "is not empty and is not a run folder")


def test_a_config_that_cannot_be_read_is_named(folder):
    folder().open()
    (folder().path / "config.yaml").write_text("a: [")
    refuses(folder(), "config.yaml: not valid YAML")


def test_a_file_appears_whole(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_the_environment_names_what_a_result_depends_on(monkeypatch):
    found = environment()
    assert {"ptv2", "python", "torch", "transformers"} <= set(found["versions"])
    assert found["threads"] >= 1 and found["device"]
    monkeypatch.setattr(environments, "_git_revision", environments._git_revision.__wrapped__)  # asks git again
    monkeypatch.setattr(environments.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError("no git")))
    assert environment()["git"] is None


def test_no_run_lies_in_another_and_none_is_emptied_of_others(folder):
    folder().open()
    folder().checkpoints.mkdir()
    refuses(folder("run.name=a/b"), r"a/b: lies inside of a run; choose a run.name that is not below .*/a")
    folder("run.name=c/d").open()
    (folder("run.name=c").path / "config.yaml").write_text((folder().path / "config.yaml").read_text())
    for afresh in ("run.overwrite=true", "resume=never"):
        refuses(folder("run.name=c", afresh, "run.loggers=[]"), "another run lies in it|another config")
    folder("run.name=c/d", "run.overwrite=true").check()


@pytest.mark.parametrize("name", ["run.folder=~/runs", "run.name=$HOME"])
def test_what_no_shell_filled_in_is_refused(folder, name):
    refuses(folder(name), "neither ~ nor \\$ is filled in here")


@pytest.mark.parametrize("text", ["{}", "[]", "{"])
def test_results_that_are_none_are_named(folder, text):
    folder().open()
    folder().results_file.write_text(text)
    with pytest.raises(UserError, match=r"results\.json: .*remove the file to score the run again"):
        folder().read_results()
