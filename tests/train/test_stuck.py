"""Runs that do not learn say so, and what to try: settings that exist, with numbers that stand in our tables."""

import json
from pathlib import Path

import pytest
import torch
from scene import make_config, write_cards

from ptv2.config import load
from ptv2.config.load import load_config
from ptv2.config.schema import Config
from ptv2.methods import METHODS
from ptv2.train.fit import fit
from ptv2.train.stuck import TRIES, Facts, passed, what_to_try

ROOT = Path(__file__).parents[2]
VALUES = {"preset": "official", "task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "a"}}


def tried(kind, rows, *overrides):
    facts = Facts(load.make_config(VALUES, list(overrides)), kind, rows)
    return [rule.setting for rule in what_to_try(facts)]


@pytest.mark.parametrize(
    ("kind", "rows", "overrides", "first"),
    [
        ("cls", 1000, ["method=full"], "optim.lr=0.0001"),
        ("cls", 64, [], "head.pooling=mean"),
        ("cls", 64, ["head.pooling=mean"], "prompt.init=retrieve:runs"),
        ("cls", 64, ["head.pooling=mean", "prompt.init=vocab"], "prompt.init=retrieve:runs"),
        ("span", 64, [], "prompt.init=retrieve:runs"),
        ("tagging", 1000, [], "prompt.form=[values,slots] optim.lr=0.003"),
        ("tagging", 1000, ["prompt.form=[values,slots]", "optim.lr=0.02"], "optim.lr=0.002"),
        ("seq2seq", 1000, ["trainer.max_epochs=3"], "trainer.max_epochs=12"),
        ("cls", 1000, ["method=[deep,lora]"], "head.pooling=mean"),
    ],
)
def test_what_to_try_follows_from_the_run(kind, rows, overrides, first):
    found = tried(kind, rows, *overrides)
    assert found[0] == first and len(set(found)) == 3


@pytest.mark.parametrize("method", ["deep", "full", "head", "bitfit", "lora", "prompt", "[deep,lora]"])
@pytest.mark.parametrize("kind", ["cls", "regression", "tagging", "span", "seq2seq", "choice"])
def test_there_are_always_three(kind, method):
    for rows in (64, 5000):
        assert len(tried(kind, rows, f"method={method}")) == 3


def test_every_setting_is_one_of_the_config():
    for rule in TRIES:
        assert isinstance(load.make_config(VALUES, rule.setting.split()), Config)


def test_every_number_stands_in_its_table():
    for rule in TRIES:
        text = (ROOT / rule.reason.source).read_text(encoding="utf-8")
        assert rule.reason.row in text, rule.reason.row


@pytest.mark.parametrize("method", METHODS)
def test_a_rate_that_did_badly_is_the_first_thing_to_change(method):
    (first, *_) = what_to_try(Facts(load.make_config(VALUES, [f"method={method}", "optim.lr=7"]), "cls", 1000))
    assert load.make_config(VALUES, [first.setting]).optim.lr == METHODS[method].rate_for(["kv"]).value
    text = (ROOT / first.reason.source).read_text(encoding="utf-8")
    assert first.reason.row and first.reason.row in text


@pytest.mark.parametrize(
    ("metric", "value", "trivial", "better"),
    [
        ("accuracy", 0.6, 0.5, True),
        ("accuracy", 0.5, 0.5, False),
        ("perplexity", 9.0, 12.0, True),
        ("bleu", 0.1, None, True),
        ("accuracy", 1.0, 1.0, True),  # nothing is left to try
        ("perplexity", 1.5, 1.5, False),
        ("accuracy", torch.tensor(2 / 3).item(), 2 / 3, False),  # above it by what float32 adds
        ("matthews", -0.25, -0.25, False),
    ],
)
def test_better_is_what_the_metric_calls_better(metric, value, trivial, better):
    assert passed(metric, value, trivial) is better


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


def test_a_run_that_learned_nothing_says_it_early_and_in_its_results(tmp_path, tiny_bert, cards, capsys):
    config = make_config(tmp_path, tiny_bert, cards["topics"])
    slow = ["optim.lr=1e-9", "trainer.max_epochs=3"]
    results = fit(load_config(config, slow))
    out = capsys.readouterr().out
    assert "not learned: topics validation accuracy" in out and "after 6 steps, trivial answer" in out
    assert "(the commonest label). Try, one at a time:" in out and "optim.lr=0.02" in out
    ((first, *rest),) = results["not_learned"].values()
    assert first.startswith("not learned: topics validation accuracy") and len(rest) == 4
    assert (
        json.loads((tmp_path / "runs" / "topics" / "results.json").read_text())["not_learned"] == results["not_learned"]
    )


def test_one_that_learns_says_by_how_much_and_nothing_to_try(tmp_path, tiny_bert, cards, capsys):
    results = fit(load_config(make_config(tmp_path, tiny_bert, cards["topics"]), ["trainer.max_epochs=6"]))
    out = capsys.readouterr().out
    assert out.count("trivial answer") == 1 and results["not_learned"] == {}


@pytest.mark.parametrize(
    ("steps", "said"), [(4, "step 4 was"), (5, "steps 4 to 5 were"), (2, "steps 1 to 2 were"), (6, None)]
)
def test_steps_behind_the_last_validation_are_named(tmp_path, tiny_bert, cards, capsys, steps, said):
    """Of 48 rows in batches of 16, so that an epoch has three steps."""
    ends = ["data.batch_size=16", "trainer.max_epochs=9", f"trainer.max_steps={steps}"]
    fit(load_config(make_config(tmp_path, tiny_bert, cards["topics"]), ends))
    out = capsys.readouterr().out
    assert (f"{said} not validated" in out) if said else "not validated" not in out


@pytest.mark.parametrize(
    ("method", "what"),
    [("deep", "the prompt and the head"), ("full", "the backbone and the head"), ("head", "the head")],
)
def test_a_collapse_names_what_the_method_trains(tmp_path, tiny_bert, cards, method, what):
    config = make_config(tmp_path, tiny_bert, cards["topics"], method=method)
    with pytest.warns(UserWarning, match=f"method '{method}', which trains {what}, has collapsed to one class"):
        fit(load_config(config, ["optim.lr=1e-9", "trainer.max_epochs=2"]))
