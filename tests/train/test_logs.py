"""What a run logs while it trains: at which step, how fast, and what TensorBoard makes of it."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from scene import make_config, write_cards
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.model.module import PromptModule
from ptv2.train.board.tensorboard import hparams
from ptv2.train.fit import fit
from ptv2.train.loggers.csv import CsvLogger
from ptv2.train.loggers.jsonl import JsonlLogger
from ptv2.train.loggers.make import last_logged


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture
def run(tmp_path, tiny_bert, cards):
    """`run("run.log_every=4")`: the folder of a finished run of 12 steps in 2 epochs, and its results."""

    def made(*overrides, task="topics"):
        config = load_config(make_config(tmp_path, tiny_bert, cards[task]), list(overrides))
        return tmp_path / "runs" / config.run.name, fit(config)

    return made


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def plugin(folder, tag):
    return HParamsPluginData.FromString(
        EventAccumulator(str(folder)).Reload().summary_metadata[tag].plugin_data.content
    )


def test_steps_are_those_done_and_epochs_count_from_one(run):
    folder, results = run()
    logged = lines(folder / "metrics.jsonl")
    train = [(line["step"], line["epoch"]) for line in logged if "train/loss" in line]
    assert train == [(step, 1 if step <= 6 else 2) for step in range(1, 13)]
    validated = [(line["step"], line["epoch"]) for line in logged if "validation/score" in line]
    assert validated == [(6, 1), (12, 2)] and results["best_step"] in (6, 12)


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        (("run.log_every=4",), [4, 8, 12]),
        (("run.log_every=5",), [5, 10, 12]),  # the last step, too
        (("run.log_every=100",), [12]),
        (("trainer.accumulate_grad_batches=2", "run.log_every=2"), [2, 4, 6]),
        (("trainer.max_steps=1", "run.log_every=100"), [1]),
    ],
)
def test_a_line_every_few_steps_and_at_the_last(run, more, steps):
    folder, _ = run(*more)
    assert [line["step"] for line in lines(folder / "metrics.jsonl") if "train/loss" in line] == steps
    assert [line["step"] for line in lines(folder / "speed.jsonl")] == steps


def test_a_run_without_validation_that_is_shorter_than_a_line_has_a_log(run, cards, tmp_path):
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "train.jsonl").write_text((cards["topics"].with_suffix("") / "train.jsonl").read_text())
    folder = tmp_path / "runs" / "topics"
    run(f"task.dataset.path={tmp_path}/only", "trainer.max_steps=2", "run.log_every=10")
    assert [line["step"] for line in lines(folder / "metrics.jsonl")] == [2]


def test_the_learning_rate_and_the_norm_of_the_gradient_are_logged(run):
    folder, _ = run("optim.schedule=linear", "optim.clip=0.001")
    logged = [line for line in lines(folder / "metrics.jsonl") if "train/loss" in line]
    rates = [line["train/lr"] for line in logged]
    assert rates[0] == pytest.approx(0.02) and rates == sorted(rates, reverse=True) and rates[-1] > 0
    assert all(line["train/grad_norm"] > 0.001 for line in logged)  # before it is clipped


def test_speed_and_memory_are_logged_beside_what_can_be_repeated(run):
    folder, _ = run("run.log_every=6")
    first, second = lines(folder / "speed.jsonl")
    for line in (first, second):
        assert line["speed/rows_per_second"] > 0 and line["memory/rss"] > 10**7
        assert line["speed/tokens_per_second"] > line["speed/rows_per_second"]  # a row is several tokens
    assert all("speed" not in key for line in lines(folder / "metrics.jsonl") for key in line)
    board = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in board.Scalars("speed/tokens_per_second")] == [6, 12]


def test_the_hparams_tab_tells_runs_apart_and_has_their_final_scores(run):
    folder, results = run("data.batch_size=16", "prompt.gate=true")
    shown = plugin(folder, "_hparams_/session_start_info").session_start_info.hparams
    assert shown["prompt.gate"].string_value == "true" and shown["data.batch_size"].number_value == 16
    assert shown["optim.lr"].number_value == 0.02 and shown["method"].string_value == "deep"
    assert shown["tasks"].string_value == "topics" and shown["seed"].number_value == 11
    assert "prompt.dropout" not in shown  # it is the default
    tags = {info.name.tag for info in plugin(folder, "_hparams_/experiment").experiment.metric_infos}
    assert {"final/test/topics/accuracy", "final/validation/topics/macro_f1"} <= tags
    (event,) = EventAccumulator(str(folder)).Reload().Scalars("final/test/topics/accuracy")
    assert (
        event.value == pytest.approx(results["scores"]["test"]["topics"]["accuracy"]) and event.step == results["steps"]
    )


def test_values_that_are_no_number_or_text_are_shown_as_json(tiny_bert, cards, tmp_path):
    config = load_config(
        make_config(tmp_path, tiny_bert, cards["topics"]), ["prompt.layers=[0, 2]", "data.limit.test=5"]
    )
    assert {"prompt.layers": "[0, 2]", "data.limit.test": 5}.items() <= hparams(config).items()


def test_event_files_lie_in_the_run_folder_and_no_other_copy_of_the_config_does(run):
    folder, _ = run()
    assert list(folder.glob("events.out.*")) and not (folder / "tensorboard").exists()
    assert not list(folder.rglob("hparams.yaml"))


def test_the_loss_of_a_step_is_the_mean_of_its_batches(run):
    still = ("optim.lr=1e-12", "run.log_every=1", "prompt.dropout=0", "head.dropout=0", "backbone.dropout=0")
    logs = []
    for batches in (1, 4):  # of 6 an epoch: 4 and 2
        more = (f"run.name=by-{batches}", f"trainer.accumulate_grad_batches={batches}", "trainer.max_epochs=1")
        folder, _ = run(*still, *more)
        logs.append([line["train/loss"] for line in lines(folder / "metrics.jsonl") if "train/loss" in line])
    one, four = logs
    assert four == pytest.approx([sum(one[:4]) / 4, sum(one[4:]) / 2], abs=1e-5)


def test_an_epochs_last_step_is_the_mean_of_fewer_batches():
    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])  # of two batches, each divided by four
    trainer = SimpleNamespace(accumulate_grad_batches=4)
    module = SimpleNamespace(step_losses=[0.0, 0.0], trainer=trainer, scalars={})
    module.step_scale = cast(Any, PromptModule.step_scale).fget(module)
    PromptModule.on_before_optimizer_step(cast(Any, module), torch.optim.SGD([weight], lr=1))
    assert weight.grad.tolist() == [6, 8] and module.scalars["train/grad_norm"] == 10


def test_a_value_without_a_step_is_of_the_last_one_and_a_damaged_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    logger = JsonlLogger(path)
    for values, step in (({"a": 1.0}, 1), ({"mine": 2.0}, None), ({"a": 3.0}, 2)):
        logger.log_metrics(values, step)
    assert [line["step"] for line in lines(path)] == [1, 1, 2]
    with path.open("a") as file:
        file.write('\n{"step": null, "b": 1}\nno json\n{"step": 2, "a"')
    assert last_logged(tmp_path) == {"a": 2, "mine": 1, "b": 0}
    JsonlLogger(path, start=2).log_metrics({"a": 4.0}, None)
    assert [(line["step"], *line.keys() - {"step"}) for line in lines(path)] == [(1, "a"), (1, "mine"), (1, "a")]


def test_earlier_rows_of_the_table_are_in_the_file_from_the_first_value_on(tmp_path):
    before = CsvLogger(tmp_path)
    before.log_metrics({"a": 1.0}, 1)
    before.save()
    CsvLogger(tmp_path, start=2).log_metrics({"a": 2.0}, 2)  # and is killed
    assert "1.0" in (tmp_path / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("trainer.val_check_interval=3",), "every 3 batches, while a step has 2 batches"),
        (("trainer.val_check_interval=0.5",), "every 3 batches"),
        (("trainer.val_check_interval='00:00:00:10'",), "a time"),
        (("trainer.val_check_interval=4", "trainer.check_val_every_n_epoch=null", "trainer.accumulate_grad_batches=4"),
         "an epoch 6"),
    ],
)  # fmt: skip
def test_a_validation_inside_of_a_step_is_refused(run, more, says):
    with pytest.raises(UserError, match=says):
        run("trainer.accumulate_grad_batches=2", *more)


@pytest.mark.parametrize("interval", ["2", "1.0", "0.7"])
def test_a_validation_between_steps_is_not(run, interval):
    _, results = run("trainer.accumulate_grad_batches=2", f"trainer.val_check_interval={interval}")
    assert results["steps"] == 6
