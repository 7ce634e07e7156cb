"""How a file, cards and overrides become a checked config. What is refused stands in e2e/test_bad_config.py."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from ptv2.config.load import load_config, make_config, to_plain
from ptv2.config.schema import Config
from ptv2.errors import UserError

ROOT = Path(__file__).parents[2]
BASE = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "run"}}


def make(*overrides, **keys) -> Config:
    return make_config({**BASE, **keys}, list(overrides))


def test_a_task_is_a_whole_card_under_its_short_name():
    config = make()
    assert list(config.tasks) == ["rte"]
    card = config.tasks["rte"]
    assert (card.name, card.kind, card.metrics) == ("glue/rte", "cls", ["accuracy"])


def test_keys_of_the_card_are_overridden_in_the_file_and_on_the_command_line():
    config = make("task.max_length=64", task={"card": "glue/rte", "version": 9})
    assert (config.tasks["rte"].version, config.tasks["rte"].max_length) == (9, 64)
    assert make("tasks.rte.max_length=64").tasks["rte"].max_length == 64


def test_another_task_on_the_command_line_replaces_that_of_the_file():
    assert list(make("task=glue/sst2", "task.max_length=64").tasks) == ["sst2"]
    assert list(make("task=glue/sst2", task={"card": "glue/rte", "max_length": 64}).tasks) == ["sst2"]


def test_several_tasks_have_names():
    config = make(task=None, tasks={"a": "glue/rte", "b": {"card": "glue/sst2", "max_length": 64}})
    assert {name: card.name for name, card in config.tasks.items()} == {"a": "glue/rte", "b": "glue/sst2"}


def test_a_card_may_stand_in_the_config_or_in_a_file_of_its_own(tmp_path):
    card = {"name": "mine", "kind": "cls", "dataset": {"path": "json"}, "inputs": {"text": "t"}, "metrics": ["f1"]}
    assert make(task=card).tasks["mine"].inputs == {"text": "t"}
    (tmp_path / "my.card.yaml").write_text(yaml.safe_dump(card))
    assert make(task=str(tmp_path / "my.card.yaml")).tasks["my_card"].name == "mine"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("optim.lr=1e-3", 1e-3),
        ("optim.head_lr=null", None),
        ("prompt.layers=[0,2]", [0, 2]),
        ("prompt.layers=top:6", "top:6"),
        ("prompt.init=text:to be, or not to be", "text:to be, or not to be"),
        ("prompt.gate=true", True),
        ("data.limit.train=5", 5),
        ("trainer.max_time=00:12:00:00", "00:12:00:00"),
        ("seed=0", 0),
    ],
)
def test_values_on_the_command_line_are_read_as_yaml(override, value):
    plain = to_plain(make(override))
    for key in override.partition("=")[0].split("."):
        plain = plain[key]
    assert plain == value and type(plain) is type(value)


def test_the_file_gives_its_name_to_the_run_and_numbers_are_read_as_such(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("task: glue/rte\nbackbone: {name: tiny}\noptim: {lr: 1e-3}\ntrainer: {gradient_clip_val: 1e-1}\n")
    config = load_config(path)
    assert (config.run.name, config.optim.lr, config.trainer) == ("study", 1e-3, {"gradient_clip_val": 0.1})
    assert load_config(path, ["run.name=other"]).run.name == "other"


def test_a_plain_config_is_a_config():
    config = make("prompt.layers=[0,2]", "data.limit.train=5", "trainer.max_epochs=3")
    assert make_config(yaml.safe_load(yaml.safe_dump(to_plain(config)))) == config


def test_a_message_names_the_place_of_the_mistake(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("task: glue/rte\nbackbone: {name: tiny}\nprompt: {length: 8}\n")
    for overrides, place in (["optim.lr=-1"], str(path)), (["optim.rl=1"], "command line"):
        with pytest.raises(UserError) as error:
            load_config(path, overrides)
        assert str(error.value).startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("backbone.dtype=bfloat61", "'backbone.dtype' is 'bfloat61'; did you mean 'bfloat16'?"),
        ("prompt.sharing=none", "'prompt.sharing' is 'none'; valid: keys, shared, shared+task, task"),
        ("mixture.dry=null", "'mixture.dry' has no value"),
        ("task.on_bad_row=skipp", "'tasks.rte.on_bad_row' is 'skipp'; did you mean 'skip'?"),
        ("head.pooling=[cls]", "'head.pooling' is '[cls]'; did you mean 'cls'?"),
    ],
)
def test_a_wrong_word_names_the_nearest(override, says):
    with pytest.raises(UserError) as error:
        make(override)
    assert str(error.value).startswith(f"command line: {says}")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("optim.lr", 0, "use a number above 0"),
        ("prompt.retrieve.top", 0, "use a number above 0"),
        ("head.dropout", 1, "use 0 or more, below 1"),
        ("seed", 2**32, "use 0 or more, below 2**32"),
        ("mixture.steps_per_epoch", 10**8, "use 1 to 10,000,000"),
        ("adapter.width", 10**20, "use a number from 1 to 65,536"),
        ("prompt.ensemble", 10**400, "use a number from 1 to 65,536"),
        ("data.batch_size", 10**20, "use a number above 0"),
    ],
)
def test_a_number_out_of_its_range_names_it(key, value, says):
    with pytest.raises(UserError) as error:
        make(f"{key}={value}")
    assert f"'{key}' is {value}" in str(error.value) and str(error.value).endswith(says)


def test_files_to_import_and_callbacks_to_add(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("")
    swa = {"path": "lightning.pytorch.callbacks.StochasticWeightAveraging", "swa_lrs": 0.01}
    config = make(**{"import": ["mine.py"], "run": {"name": "run", "callbacks": {"swa": swa}}})
    assert config.imports == ["mine.py"] and config.run.callbacks == {"swa": swa}
    assert to_plain(config)["import"] == ["mine.py"] and "imports" not in to_plain(config)
    assert make("run.callbacks.swa.path=a.B", "run.callbacks.swa.x=1").run.callbacks == {"swa": {"path": "a.B", "x": 1}}


@pytest.mark.parametrize("callback", ["{}", "{path: null}", "{path: Swa}", "{path: a.b.}", "{path: 5}", "{swa_lrs: 1}"])
def test_a_callback_without_an_import_path_is_refused(callback):
    with pytest.raises(UserError, match=r"run\.callbacks\.swa: path is .*; give the import path of a class, e\.g\. "):
        make(f"run.callbacks={{swa: {callback}}}")


RUNS = [path for path in sorted((ROOT / "configs").rglob("*.yaml")) if path.parent.name not in ("compare", "search")]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_plain_values_are_those_of_omegaconf(path):
    config = load_config(path, ["prompt.layers=[0,1]", "run.callbacks.a={path: b.C, every: 2}", "data.limit={test: 5}"])
    theirs = OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    ours = to_plain(replace(config, auto=[]))
    assert set(theirs) - set(ours) == {"preset", "imports", "auto"}
    assert all(repr(value) == repr(theirs["imports" if key == "import" else key]) for key, value in ours.items())


def test_a_config_leaves_nothing_behind_for_the_next():
    path = ROOT / "configs" / "quickstart.yaml"
    before = to_plain(load_config(path))
    load_config(path, ["optim.lr=7", "data.limit={train: 5}", "task.max_length=9", "trainer.devices=2"])
    assert to_plain(load_config(path)) == before
