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
    made.write_results({"score": 1})
    assert folder().finished and json.loads(made.results_file.read_text()) == {"score": 1}
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
