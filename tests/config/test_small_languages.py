"""The small languages of `prompt.init`, `head.init`, `prompt.layers`, `mixture.sampling` and `guard.on_nonfinite`."""

import math

import pytest

from ptv2.config.layers import Layers, parse_layers
from ptv2.config.load import make_config
from ptv2.config.sampling import Sampling, parse_sampling
from ptv2.config.schema import GuardConfig
from ptv2.config.starts import Start, head_start, prompt_start
from ptv2.errors import UserError


@pytest.mark.parametrize(
    ("init", "start"),
    [
        ("normal", Start("normal")),
        ("uniform", Start("uniform")),
        ("zero", Start("zero")),
        ("labels", Start("labels")),
        ("vocab", Start("vocab")),
        ("text:to be: or not", Start("text", text="to be: or not")),
        ("artifact:runs/a", Start("artifact", path="runs/a")),
        ("artifact:runs/a+task:b", Start("artifact", path="runs/a", task="b")),
        ("artifact:C:/a+task:x+task:b", Start("artifact", path="C:/a+task:x", task="b")),
        ("retrieve:runs", Start("retrieve", folder="runs")),
    ],
)
def test_a_prompt_starts_from(init, start):
    assert prompt_start(init) == start
    assert start.earlier == (start.kind in ("artifact", "retrieve"))


def test_a_head_starts_from_an_artifact():
    assert head_start("artifact:runs/a+task:b") == Start("artifact", path="runs/a", task="b")


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        ("all", [0, 1, 2, 3]),
        ("top:2", [2, 3]),
        ("bottom:3", [0, 1, 2]),
        ([3, 0, 3], [0, 3]),
    ],
)
def test_layers_of_a_backbone_of_four(spec, chosen):
    assert parse_layers(spec).of(4) == chosen


@pytest.mark.parametrize("spec", ["top:5", "bottom:5", [0, 4]])
def test_layers_that_a_backbone_does_not_have(spec):
    assert isinstance(parse_layers(spec), Layers)
    with pytest.raises(UserError) as error:
        parse_layers(spec).of(4)
    assert str(error.value).startswith(
        f"prompt.layers: '{spec}' does not name layers of a backbone with 4 layers; use all, top:K"
    )
    assert "1..4" in str(error.value) and "0..3" in str(error.value)


@pytest.mark.parametrize(
    ("rule", "sampling"),
    [
        ("proportional", Sampling("proportional")),
        ("capped:100", Sampling("capped", cap=100)),
        ("temperature:2", Sampling("temperature", 2)),
        ("temperature:1.5:1e3", Sampling("temperature", 1.5, 1000)),
        ("sqrt", Sampling("sqrt")),
        ("equal", Sampling("equal", 1, math.inf)),
        ("annealed", Sampling("annealed")),
        ("weights", Sampling("weights")),
    ],
)
def test_a_rule_of_sampling(rule, sampling):
    assert parse_sampling(rule) == sampling


@pytest.mark.parametrize(("on_nonfinite", "skips"), [("stop", 0), ("skip:1", 1), ("skip:20", 20)])
def test_updates_that_may_be_left_out(on_nonfinite, skips):
    assert GuardConfig(on_nonfinite=on_nonfinite).skips == skips


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("prompt.init=noral", "prompt.init: unknown init 'noral'; did you mean 'normal'?"),
        ("prompt.init=normal:1", "prompt.init: unknown init 'normal:1'; did you mean 'normal'?"),
        ("prompt.init=text", "prompt.init: unknown init 'text'; "),
        ("prompt.init=text:", "prompt.init: the text has no tokens; write text:<some words>"),
        ("prompt.init='text: '", "prompt.init: the text has no tokens; write text:<some words>"),
        ("prompt.init=artifact:", "prompt.init: unknown init 'artifact:'; did you mean 'artifact:<path>'?"),
        ("prompt.init=artifact:a+task:", "prompt.init: unknown init 'artifact:a+task:'; "),
        ("prompt.init=retrieve:", "prompt.init: no folder is named; write retrieve:<folder of runs>"),
        ("head.init=runs/a", "head.init: unknown init 'runs/a'; write artifact:<run folder>"),
        ("head.init=normal", "head.init: unknown init 'normal'; "),
        ("prompt.layers=some", "prompt.layers: 'some' does not name layers; use all, top:K, bottom:K or a list"),
        ("prompt.layers=top:0", "prompt.layers: 'top:0'"),
        ("prompt.layers=top:²", "prompt.layers: 'top:²'"),
        ("prompt.layers=top", "prompt.layers: 'top'"),
        ("prompt.layers=[]", "prompt.layers: '[]'"),
        ("prompt.layers=[-1]", "prompt.layers: '[-1]'"),
        ("prompt.layers=[true]", "prompt.layers: '[True]'"),
        ("prompt.layers=3", "prompt.layers: '3'"),
        ("mixture.sampling=cubic", "mixture.sampling: 'cubic'; valid: annealed, capped:K"),
        ("mixture.sampling=capped", "mixture.sampling: 'capped'; did you mean 'capped:K'?"),
        ("mixture.sampling=capped:0", "mixture.sampling: 'capped:0'"),
        ("mixture.sampling=sqrt:2", "mixture.sampling: 'sqrt:2'"),
        ("mixture.sampling=temperature:.nan", "mixture.sampling: 'temperature:.nan'"),
        ("mixture.sampling=temperature:nan", "mixture.sampling: 'temperature:nan'"),
        ("mixture.sampling=temperature:0.5", "mixture.sampling: 'temperature:0.5'; use a temperature of 1 or more"),
        ("guard.on_nonfinite=skip:0", "'guard.on_nonfinite' is 'skip:0'; use stop or skip:K"),
        ("guard.on_nonfinite=skip", "'guard.on_nonfinite' is 'skip'; use stop or skip:K"),
        ("guard.on_nonfinite=stop:1", "'guard.on_nonfinite' is 'stop:1'; use stop or skip:K"),
    ],
)
def test_what_says_nothing_is_refused_when_the_config_is_read(override, says):
    values = {"task": "glue/rte", "backbone": {"name": "tiny"}, "run": {"name": "run"}}
    with pytest.raises(UserError) as error:
        make_config(values, [override], where="a.yaml")
    assert str(error.value).startswith(f"a.yaml: {says}")
