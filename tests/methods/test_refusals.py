"""Methods refuse in one line, with what to do, what cannot train: without a backbone, so a dry run does too."""

import pytest

from ptv2.config.cards import TaskCard
from ptv2.config.schema import Config, PromptConfig, PTuningConfig
from ptv2.errors import UserError
from ptv2.methods import method_named


def template(text):
    return TaskCard(options={"template": text})


REFUSED = {
    "prefix in a union": (
        {"method": ["prefix", "lora"]},
        "method: 'prefix' is folded into a prompt of method deep",
    ),
    "ptuning in a union": ({"method": ["ptuning", "bitfit"]}, "method: 'ptuning' reads its answers at the places of a"),
    "an ensemble in a union": (
        {"method": ["prompt", "bitfit"], "prompt": PromptConfig(ensemble=2)},
        "prompt.ensemble: an ensemble of prompts trains alone; set it to 1, or use method=prompt alone",
    ),
    "an LSTM of half a number": (
        {"method": "ptuning", "ptuning": PTuningConfig(hidden=1)},
        "ptuning.hidden: is 1: each direction of the LSTM has half of it; use 2 or more",
    ),
    "an LSTM over zero tokens": (
        {"method": "ptuning", "tasks": {"a": template("{text} {mask}")}},
        "ptuning.template: the template of task 'a' has no virtual tokens for the encoder to make; put e.g. {prompt:3}",
    ),
    "templates of unlike tasks": (
        {"method": "ptuning", "tasks": {"a": template("{prompt:1} {mask}"), "b": template("{prompt:2} {mask}")}},
        "ptuning.template: the tasks' templates have 1 (a), 2 (b) virtual tokens; give each as many",
    ),
    "a template without a method that reads it": (
        {"method": "lora", "tasks": {"a": template("{prompt:1} {mask}")}},
        "ptuning.template: method 'lora' has nothing to put at the places of a template; set it to null, or use",
    ),
    "keys shared at the input": (
        {"method": "prompt", "prompt": PromptConfig(sharing="keys")},
        "prompt.sharing: 'keys' shares the keys of prompts in layers, and method 'prompt' has one at the input; use",
    ),
    "an input made of residual vectors, with a start of its own": (
        {"method": "prompt", "prompt": PromptConfig(residual=4, init="artifact:a")},
        "prompt.residual: changes vectors from the first step on, and prompt.init is artifact:a; use one of them",
    ),
    "a prompt longer than any": (
        {"method": "prompt", "prompt": PromptConfig(length=10**20)},
        "prompt.length: is '100000000000000000000', and method 'prompt' has one prompt, at the input; use a whole",
    ),
    "a start that no method has": (
        {"method": "ia3", "prompt": PromptConfig(init="artifact:a")},
        "prompt.init: method 'ia3' has no prompt; use method=deep",
    ),
}


@pytest.mark.parametrize(("keys", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_train_is_one_line(keys, says):
    config = Config(**keys)
    with pytest.raises(UserError) as error:
        method_named(config.method_name).check(config)
    assert str(error.value).startswith(says) and "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_missing_extra_is_named_with_how_to_install_it(method, monkeypatch):
    monkeypatch.setattr("ptv2.methods.peft.find_spec", lambda name: None)
    for methods in (method, ["deep", method]):
        config = Config(method=methods)
        with pytest.raises(UserError, match=rf"method '{method}' needs the package peft, which is not installed; pip"):
            method_named(config.method_name).check(config)
