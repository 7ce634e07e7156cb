"""What `auto` stands for: by method, form, kind and rows; the page says the same."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from ptv2.methods import METHODS, defaults
from ptv2.methods.base import Method
from ptv2.methods.deep.rates import OF_TEXTS
from ptv2.methods.deep.rates import RATES as FORMS
from ptv2.methods.defaults import Run
from ptv2.methods.rates import Rate

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "defaults.md"
RATES = {rate.of: rate.value for rate in FORMS}
RATES |= {name: method.rate.value for name, method in METHODS.items() if method.rate is not None}


def methods(*names):
    return {name: METHODS[name] for name in names}


RUN = Run(
    methods=methods("deep"),
    tasks=[("cls", 1000)],
    family="bert",
    size=lambda: 22_000_000,
    is_decoder=False,
    steps=lambda: 32,
    plain=True,
    rate_is_given=False,
    forms=("kv",),
)


@pytest.mark.parametrize(
    ("changes", "form"),
    [
        ({}, ["values", "slots"]),
        ({"tasks": [("tagging", 50), ("span", 9000)]}, ["values", "slots"]),
        ({"rate_is_given": True}, "kv"),
        ({"plain": False}, "kv"),
        ({"family": "llama", "is_decoder": True}, "kv"),
        ({"tasks": [("seq2seq", 1000)]}, "kv"),
        ({"tasks": [("seq2seq", 1000)], "family": "t5"}, "kv"),
        ({"tasks": [("seq2seq", 1000)], "family": "llama", "is_decoder": True}, ["values", "slots"]),
        ({"tasks": [("seq2seq", 1000)], "family": "gemma3", "is_decoder": True}, "kv"),
        ({"methods": methods("deep", "lora")}, "kv"),
    ],
)
def test_the_form(changes, form):
    assert defaults.form(replace(RUN, **changes)).value == form


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({}, 0.02),
        ({"forms": ("slots", "values")}, 0.003),
        ({"tasks": [("cls", 100)], "forms": ("values", "slots")}, 0.001),
        ({"tasks": [("cls", 100), ("regression", 100)], "forms": ("values", "slots")}, 0.003),
        ({"tasks": [("cls", 100)]}, 0.02),
        ({"tasks": [("span", 100)], "forms": ("values", "slots")}, 0.003),
        ({"methods": methods("full")}, 0.0001),
        ({"methods": methods("deep", "full")}, 0.0001),
        ({"methods": methods("deep", "lora")}, 0.003),
        ({"tasks": [("tagging", 300)]}, 0.02),
        ({"tasks": [("tagging", 300)], "forms": ("values", "slots")}, 0.002),
        ({"tasks": [("cls", 300), ("tagging", 300)], "forms": ("values", "slots")}, 0.002),
        ({"tasks": [("seq2seq", 300)]}, 0.02),
        ({"tasks": [("seq2seq", 300)], "forms": ("memory",)}, 0.0003),
        ({"tasks": [("seq2seq", 300)], "forms": ("values", "slots")}, 0.003),
    ],
)
def test_the_rate(changes, rate):
    assert defaults.rate(replace(RUN, **changes)).value == rate


class Own(Method):
    """A method of a user's file."""


class Rated(Own):
    rate = Rate(0.007, "what we saw on our own tasks")


def test_a_method_without_a_rate_keeps_the_official_one():
    assert defaults.rate(replace(RUN, methods={"own": Own})) is None
    assert defaults.rate(replace(RUN, methods=methods("lora") | {"own": Own})) is None
    assert defaults.rate(replace(RUN, forms=("kv", "slots"))) is None


def test_a_method_of_a_users_own_says_its_rate_and_why():
    chosen = defaults.rate(replace(RUN, methods={"own": Rated}))
    assert str(chosen) == "optim.lr 0.007: own, cls, 1,000 rows: what we saw on our own tasks"
    assert defaults.rate(replace(RUN, methods=methods("lora") | {"own": Rated})).value == RATES["lora"]


def test_heads_train_at_the_rate_of_a_method_that_trains_every_weight():
    assert defaults.head_rate(replace(RUN, methods=methods("full"))).value is None
    assert defaults.head_rate(replace(RUN, methods=methods("bitfit"))).value == defaults.HEAD_RATE


@pytest.mark.parametrize(("steps", "epochs"), [(1, 40), (32, 12), (157, 3), (12_500, 3)])
def test_the_epochs(steps, epochs):
    assert defaults.epochs(replace(RUN, steps=lambda: steps)).value == epochs


def test_heads_follow_a_rate_that_is_given():
    assert defaults.head_rate(RUN).value == 0.002
    assert defaults.head_rate(replace(RUN, rate_is_given=True)).value is None


def test_the_rates_are_the_medians_of_the_comparison():
    chosen: dict[str, list[float]] = {}
    for line in (ROOT / "experiments" / "methods" / "table.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["mean"].get("rate") is not None:
            chosen.setdefault(row["method"].removeprefix("deep-").replace("-", "+"), []).append(row["mean"]["rate"])
    assert all(median(chosen[name]) == rate and len(chosen[name]) == 5 for name, rate in RATES.items())


def test_the_rates_of_texts_are_what_the_comparison_on_a_decoder_chose():
    lines = (ROOT / "experiments" / "methods" / "e2e" / "table.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = {row["method"]: row["mean"].get("rate") for row in map(json.loads, lines)}
    assert all(chosen["deep-" + rate.of.replace("+", "-")] == rate.value for rate in OF_TEXTS)


def test_the_page_has_every_method_and_its_rate():
    for name, rate in RATES.items():
        assert f"| {name} | {rate:g} |" in PAGE.read_text(encoding="utf-8")
    assert set(METHODS) - {"deep"} <= set(RATES)
