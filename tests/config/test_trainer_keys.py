"""`trainer:` is checked against the signature of the installed Lightning, and nothing is imported for it."""

import inspect
import subprocess
import sys
from typing import Literal, get_args, get_origin

import lightning as L
import pytest

from ptv2.config.trainer_keys import OURS, check_trainer, signature, without_nulls
from ptv2.errors import UserError


def test_the_signature_in_the_source_is_that_of_the_class():
    found = {}
    for name, parameter in inspect.signature(L.Trainer.__init__).parameters.items():
        kinds = get_args(parameter.annotation) or (parameter.annotation,)
        plain = {kind for kind in kinds if kind in (int, float, str, bool, type(None))}
        plain |= {get_origin(kind) for kind in kinds} & {list, dict}
        found[name] = None if any(get_origin(kind) is Literal for kind in kinds) else plain
    expected = {name: kinds for name, kinds in found.items() if name not in OURS}
    assert {name: kinds and set(kinds) for name, kinds in signature().items()} == expected


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"max_epoch": 1}, "unknown key 'trainer.max_epoch'; did you mean 'max_epochs'?"),
        ({"callbacks": []}, "unknown key 'trainer.callbacks'"),
        ({"fast_dev_run": True}, "'trainer.fast_dev_run' is not supported; use --dry-run"),
        ({"max_epochs": "two"}, "'trainer.max_epochs' is 'two'; use int or null"),
        (
            {"max_time": {"seconds:3": None}},
            "'trainer.max_time' is {'seconds:3': None}, where 'seconds:3' is no",
        ),
        (
            {"max_time": {"hours": "two"}},
            "'trainer.max_time' is {'hours': 'two'}, where a part is no number",
        ),
        ({"accumulate_grad_batches": 0}, "'trainer.accumulate_grad_batches' is 0; use a number above 0"),
    ],
)
def test_what_the_trainer_does_not_take_is_refused(values, says):
    with pytest.raises(UserError) as error:
        check_trainer(values, "a.yaml")
    assert str(error.value).startswith(f"a.yaml: {says}")


def test_null_takes_a_key_back_where_lightning_has_no_use_for_it():
    assert without_nulls({"max_steps": None, "max_epochs": None, "devices": 2}) == {"max_epochs": None, "devices": 2}
    assert without_nulls({"max_stepz": None}) == {"max_stepz": None}  # to be refused


def test_words_are_left_to_lightning():
    check_trainer({"precision": "bf16-mixed", "accelerator": "cpu", "max_time": {"days": 1}}, "a.yaml")


HEAVY = ("torch", "lightning", "transformers", "datasets", "numpy")


def test_reading_a_config_imports_no_heavy_library(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("task: demo/bbc_topic\nbackbone: {name: tiny}\ntrainer: {max_epochs: 3}\n")
    code = (
        "import sys; from ptv2.config.load import load_config;"
        f"load_config({str(path)!r}, ['optim.lr=0.1']); print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
