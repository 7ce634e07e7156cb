"""The first lines of a run say what trains, on what, with which data, and where it writes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from scene import make_config, write_cards

from ptv2.commands.tables import next_lines
from ptv2.config.load import load_config
from ptv2.model.build import build
from ptv2.train.opening import opening, ranges


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def lines(tmp_path, tiny_bert, cards):
    def made(*overrides, **keys):
        config = load_config(make_config(tmp_path, tiny_bert, cards["topics"], **keys), list(overrides))
        return opening(config, build(config), Path("runs/first"), 12)

    return made


def test_a_run_is_told_in_a_few_lines(lines, tiny_bert):
    said = lines("task.max_length=8", "data.limit.train=20")
    assert said[0] == "method    deep: kv, 4 positions in encoder layers 0-2"
    assert said[1] == "trains    418 of 9,682 numbers (4.32 %): prompt 384, heads 34"
    assert said[2].startswith(f"backbone  {tiny_bert} (bert, 9,264 numbers, float32), frozen, on cpu, ")
    assert said[3] == "task      topics: topics, cls, 2 labels, scored by accuracy, macro_f1"
    assert said[4].strip().startswith("train 20 of 48 rows (5 to 8 tokens, median ") and " cut)" in said[4]
    assert said[5].strip().startswith("validation 16 rows (")
    assert said[-2] == "batches   12 steps, 2 epochs, 8 rows per device, learning rate 0.02, seed 11"
    assert said[-1] == "writes    runs/first"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["method=head"], "method    head: nothing but the heads"),
        (["method=full"], "method    full: "),
        (["method=prompt"], "method    prompt: input layer, prompt 0 [P,W] (4, 16)"),
        (["prompt.form=[values, slots]", "prompt.layers=top:2"],
         "method    deep: values in encoder layers 1-2; slots, 4 neurons in encoder layers 1-2"),
    ],
)  # fmt: skip
def test_what_other_methods_train(overrides, says, lines):
    said = lines(*overrides)
    assert said[0].startswith(says)
    assert (", frozen, on" in said[2]) == ("method=full" not in overrides)


def test_each_task_of_a_mixture_has_its_lines(lines, cards):
    said = lines(tasks={name: str(path) for name, path in cards.items()})
    tasks = [line for line in said if line.startswith("task ")]
    assert len(tasks) == 3 and "task      names: names, tagging, 5 labels, scored by span_f1" in tasks


@pytest.mark.parametrize(("numbers", "written"), [([0, 1, 2, 5], "0-2, 5"), ([3], "3"), ([4, 2], "2, 4"), ([], "")])
def test_ranges(numbers, written):
    assert ranges(numbers) == written


def test_the_last_lines_are_commands_for_what_comes_next():
    config = SimpleNamespace(imports=["own kinds.py"], run=SimpleNamespace(loggers=["tensorboard"]))
    said = next_lines(config, Path("runs/my run"))
    assert said == [
        "answers:  python -m ptv2.predict --artifact 'runs/my run' --input FILE --import 'own kinds.py'",
        "scores:   python -m ptv2.evaluate --artifact 'runs/my run' --input FILE --import 'own kinds.py'",
        "compare:  python -m ptv2.compare runs/*",
        "curves:   tensorboard --logdir runs",
    ]
    config.run.loggers = []
    assert len(next_lines(config, Path("runs/a"))) == 3
