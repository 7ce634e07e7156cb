"""Keys that a run chooses: those that are `auto`, and those that nothing sets."""

import pytest

from ptv2.config.load import comparable, load_config, make_config, to_plain
from ptv2.config.schema import AUTO_KEYS
from ptv2.errors import UserError

BASE = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "run"}}


def auto(values, *overrides):
    return set(make_config(BASE | values, overrides).auto)


def test_what_nothing_sets_is_chosen():
    assert auto({}) == set(AUTO_KEYS)
    assert auto({"preset": "official"}) == auto({}, "preset=official") == set()


@pytest.mark.parametrize(
    ("values", "overrides", "set_key"),
    [
        ({"optim": {"lr": 0.1}}, (), "optim.lr"),
        ({}, ("optim.lr=0.1",), "optim.lr"),
        ({}, ("optim={lr: 0.1}",), "optim.lr"),
        ({"optim": {"lr": "auto"}}, ("optim.lr=0.1",), "optim.lr"),
        ({}, ("optim.head_lr=null",), "optim.head_lr"),
        ({"trainer": {"max_epochs": 3}}, (), "trainer.max_epochs"),
        ({"trainer": {"max_steps": 3}}, (), "trainer.max_epochs"),
        ({}, ("trainer.max_steps=3",), "trainer.max_epochs"),
        ({}, ("trainer={max_steps: 3}",), "trainer.max_epochs"),
        ({"prompt": {"form": ["values", "slots"]}}, (), "prompt.form"),
    ],
)
def test_what_is_set_is_taken(values, overrides, set_key):
    assert auto(values, *overrides) == set(AUTO_KEYS) - {set_key}


@pytest.mark.parametrize(
    ("trainer", "overrides"),
    [
        ({"max_steps": 3}, ("trainer.max_steps=null",)),
        ({"max_steps": 3}, ("trainer={max_steps: -1}",)),
        ({"max_steps": None, "max_time": "00:01:00:00"}, ()),  # a time says no number of steps
    ],
)
def test_a_run_whose_steps_are_not_limited_chooses_its_epochs(trainer, overrides):
    config = make_config(BASE | {"trainer": trainer}, overrides)
    assert "trainer.max_epochs" in config.auto and config.trainer.get("max_steps", -1) == -1


@pytest.mark.parametrize(
    ("values", "overrides"),
    [
        ({"optim": {"lr": "auto", "warmup": 0.1}}, ()),
        ({"optim": {"lr": 0.1}}, ("optim.lr=auto",)),
        ({}, ("optim={lr: auto}",)),
    ],
)
def test_auto_hands_a_key_back_to_the_run(values, overrides):
    assert auto(values | {"preset": "official"}, *overrides) == {"optim.lr"}


def test_a_config_is_written_and_read_with_what_is_not_chosen_yet():
    config = make_config(BASE | {"optim": {"warmup": 0.1}})
    plain = to_plain(config)
    assert plain["optim"]["lr"] == plain["trainer"]["max_epochs"] == "auto" and plain["optim"]["warmup"] == 0.1
    again = make_config(comparable(config))
    assert set(again.auto) == set(config.auto) and to_plain(again) == plain


def test_the_mapping_that_is_given_stays_as_it_is():
    values = {**BASE, "optim": {"lr": "auto"}}
    load_config(values)
    assert values["optim"] == {"lr": "auto"}


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match=r"'preset' is 'offical'; did you mean 'official'\?"):
        make_config(BASE | {"preset": "offical"})


def test_no_other_key_takes_auto():
    with pytest.raises(UserError, match=r"optim\.gamma"):
        make_config(BASE | {"optim": {"gamma": "auto"}})
