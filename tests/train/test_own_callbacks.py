"""Callbacks that a config names by import path."""

import sys
from types import ModuleType

import pytest
from lightning.pytorch import Callback

from ptv2.config.load import make_config
from ptv2.errors import UserError
from ptv2.train.callbacks.own import own_callbacks


class Counter(Callback):
    def __init__(self, every: int, name: str = "count"):
        if every < 1:
            raise ValueError("every is below 1")
        self.every, self.name = every, name


class Plain:
    pass


@pytest.fixture(autouse=True)
def own_module(monkeypatch):
    """A module with these classes, as a file of the user's has it."""
    module = ModuleType("counting")
    module.Counter, module.Plain = Counter, Plain
    monkeypatch.setitem(sys.modules, "counting", module)


def callbacks(**named):
    values = {"task": "demo/bbc_topic", "backbone": {"name": "none"}, "run": {"name": "a", "callbacks": named}}
    return own_callbacks(make_config(values))


def test_no_callbacks_by_default():
    assert callbacks() == []


def test_they_are_made_with_their_arguments_in_the_order_of_the_config():
    first, second = callbacks(b={"path": "counting.Counter", "every": 5}, a={"path": "counting.Counter", "every": 1})
    assert isinstance(first, Counter)
    assert (first.every, first.name, second.every) == (5, "count", 1)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        (
            {"path": "nowhere.at.All"},
            "'nowhere.at' cannot be imported (ModuleNotFoundError: No module named 'nowhere')",
        ),
        ({"path": "counting.Conter"}, "'counting' has no 'Conter'; did you mean 'Counter'?"),
        ({"path": "counting.Plain"}, "'counting.Plain' is not a Callback"),
        ({"path": "counting.Counter"}, "cannot be made (missing a required argument: 'every')"),
        ({"path": "counting.Counter", "every": 1, "evry": 2}, "unexpected keyword argument 'evry'"),
        ({"path": "counting.Counter", "every": 0}, "cannot be made (ValueError: every is below 1)"),
    ],
)
def test_what_cannot_be_made_is_refused_by_its_key(about, says):
    with pytest.raises(UserError) as refused:
        callbacks(mine=about)
    assert str(refused.value).startswith("run.callbacks.mine: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("counting.Counter", "'run.callbacks.mine' is 'counting.Counter', not a mapping"),
        ({"every": 5}, "run.callbacks.mine: path is 'None'; give the import path of a class"),
        ({"path": "Counter"}, "run.callbacks.mine: path is 'Counter'; give the import path of a class"),
    ],
)
def test_what_names_no_class_is_refused_with_the_config(about, says):
    with pytest.raises(UserError) as refused:
        callbacks(mine=about)
    assert says in str(refused.value)
