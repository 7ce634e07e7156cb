"""Several tasks of different kinds in one run."""

import json
import shutil
from itertools import product

import pytest
import torch
from safetensors.torch import load_file
from scene import write_rows

from ptv2.config.load import load_config
from ptv2.model.build import build
from ptv2.model.collect import collect
from ptv2.model.module import PromptModule

NAMES = ("names", "ratings", "topics")


@pytest.fixture
def write_mixture(write_config, cards):
    """`write_mixture(mixture={...})`: the config of a run over the three tasks."""

    def write(**keys):
        return write_config(tasks={name: str(cards[name]) for name in NAMES}, **keys)

    return write


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


SOON = {("shared", "single"), ("task", "mixed"), ("shared+task", "mixed")}
"""Each way to share and each kind of batch once; the other pairs with the slow tests."""


@pytest.mark.parametrize(
    ("sharing", "batches"),
    [
        pytest.param(*pair, marks=() if pair in SOON else pytest.mark.slow)
        for pair in product(("shared", "task", "shared+task"), ("single", "mixed"))
    ],
)
def test_every_task_learns_beside_the_others(ptv2, write_mixture, tmp_path, batches, sharing):
    ways = (f"mixture.batches={batches}", f"prompt.sharing={sharing}", "trainer.max_epochs=8")
    said = ptv2("fit", "--config", write_mixture(), *ways)
    assert said.code == 0 and said.err == ""
    folder = tmp_path / "runs" / "topics"
    results = json.loads((folder / "results.json").read_text())
    assert list(results["scores"]["test"]) == list(NAMES)
    lines = logged(folder)
    for task in NAMES:
        losses = [line[f"train/{task}/loss"] for line in lines if f"train/{task}/loss" in line]
        assert sum(losses[-6:]) < 0.8 * sum(losses[:6])
        assert sum(line.get(f"train/{task}/share", 0) for line in lines) > 0
    best = max(line["validation/score"] for line in lines if "validation/score" in line)
    mains = {"topics": "accuracy", "ratings": "pearson", "names": "span_f1"}
    macro = [results["scores"]["validation"][task][metric] for task, metric in mains.items()]
    assert sum(macro) / 3 == pytest.approx(best, abs=1e-5)


def test_gradients_of_tasks_are_compared(ptv2, write_mixture, tmp_path):
    assert ptv2("fit", "--config", write_mixture(), "mixture.cosine_every=4").code == 0
    lines = [line for line in logged(tmp_path / "runs" / "topics") if "gradients/mean" in line]
    assert len(lines) > 2
    for line in lines:
        cosines = [line[f"gradients/{pair}"] for pair in ("names.ratings", "names.topics", "ratings.topics")]
        assert all(-1 <= cosine <= 1 for cosine in cosines) and len(set(cosines)) == 3
        assert line["gradients/mean"] == pytest.approx(sum(cosines) / 3)


STOPS = [(11, ()), (14, ("mixture.batches=mixed",)), (9, ("mixture.sampling=annealed", "data.workers=1"))]


@pytest.mark.parametrize(("step", "more"), STOPS)
def test_a_stopped_mixture_ends_as_one_that_was_not(ptv2, write_mixture, tmp_path, monkeypatch, step, more):
    still = ("prompt.dropout=0", "head.dropout=0", "backbone.dropout=0", "mixture.steps_per_epoch=8", *more)
    config, undisturbed = write_mixture(), tmp_path / "others" / "topics"
    assert ptv2("fit", "--config", config, f"run.folder={tmp_path}/others", *still).code == 0
    whole = PromptModule.training_step

    def stopping(module, batch, index):
        if module.trainer.global_step == step:
            raise KeyboardInterrupt
        return whole(module, batch, index)

    monkeypatch.setattr(PromptModule, "training_step", stopping)
    assert ptv2("fit", "--config", config, *still).code == 130
    monkeypatch.undo()
    folder = tmp_path / "runs" / "topics"
    assert ptv2("fit", "--config", config, *still).code == 0
    first, second = (load_file(f / "prompt" / "weights.safetensors") for f in (undisturbed, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert logged(folder) == logged(undisturbed)


def test_a_mixed_batch_has_the_loss_of_its_tasks_alone(write_mixture):
    ways = ["mixture.batches=mixed", "prompt.sharing=task", "mixture.loss_weights.names=3"]
    parts = build(load_config(write_mixture(), ways))
    module = parts.module.eval()
    batch = next(iter(parts.data.train_dataloader()))
    assert [part["task"] for part in batch["parts"]] == list(NAMES)
    module.log = lambda *_, **__: None
    total = module.training_step(batch, 0)
    alone = 0.0
    for part in batch["parts"]:
        weight = 3 if part["task"] == "names" else 1
        alone += weight * len(part["row"]) * module.heads[part["task"]].loss(module(part), part)
    torch.testing.assert_close(total, alone / 8)


def test_losses_can_be_weighed_by_classes(write_mixture):
    module = build(load_config(write_mixture(), ["mixture.loss=classes", "mixture.loss_weights.names=2"])).module
    assert module.task_weights == pytest.approx({"topics": 1.442695, "ratings": 1.0, "names": 2 / 1.609438})


def test_one_pass_scores_what_each_loader_scores(write_mixture):
    parts = build(load_config(write_mixture(), ["prompt.sharing=shared+task"]))
    found = collect(parts.module, parts.data.joint_dataloader(NAMES, "test"), "cpu", "test")
    joint = {task: dict(outputs) for task, outputs in found.items()}
    for name in NAMES:
        alone = collect(parts.module, parts.data.eval_dataloader(name, "test"), "cpu", "test")[name]
        assert parts.tasks[name].score("test", joint[name]) == parts.tasks[name].score("test", alone)


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("mixture.sampling=cubic", "mixture.sampling: 'cubic'"),
        ("mixture.weights.topics=2", "mixture.weights: given, but mixture.sampling is 'proportional'"),
        ("mixture={sampling: weights, weights: {topic: 1}}", "mixture.weights: unknown task 'topic'"),
        ("mixture.loss_weights.name=2", "mixture.loss_weights: unknown task 'name'"),
        ("mixture={dry: stop, steps_per_epoch: 99}", "mixture.dry: task 'names' runs dry after 18 of 99 steps"),
        ("mixture.batches=both", "'mixture.batches' is 'both'"),
        ("mixture={sampling: weights, weights: {names: .inf, ratings: 1, topics: 1}}", "has no weight above 0"),
        ("mixture.sampling=temperature:0.001", "use a temperature of 1 or more"),
        ("mixture.loss_weights.names=-1", "mixture.loss_weights.names: is -1"),
        ("mixture.steps_per_epoch=1000000000000", "'mixture.steps_per_epoch' is 1000000000000"),
        ("prompt.sharing=own", "'prompt.sharing' is 'own'"),
        ("prompt.rank=0", "'prompt.rank' is 0"),
        ("trainer.limit_train_batches=2", "'trainer.limit_train_batches' is not supported"),
        ("tasks.names.dataset.path=TRAIN", "tasks.names.dataset: has no validation rows"),
        ("prompt.init=retrieve:runs", "prompt.init: 3 tasks, method 'deep'"),
        ("task.max_length=8", "command line: 'task.max_length=8' is ambiguous with 3 tasks"),
    ],
)
def test_what_a_mixture_cannot_be_is_one_line(ptv2, write_mixture, cards, tmp_path, override, said):
    shutil.copytree(cards["names"].parent / "names", tmp_path / "train", ignore=lambda *_: ["validation.jsonl"])
    found = ptv2("fit", "--config", write_mixture(), override.replace("TRAIN", str(tmp_path / "train")))
    assert found.code == 2 and len(found.err.splitlines()) == 1
    assert said in found.err
    assert not (tmp_path / "runs").exists()


def test_a_token_budget_is_for_batches_of_one_task(ptv2, write_mixture):
    said = ptv2("fit", "--config", write_mixture(), "mixture.batches=mixed", "data.tokens_per_batch=100")
    assert said.code == 2 and "data.tokens_per_batch: fills batches of one task" in said.err


def test_two_tasks_of_one_name_are_refused(ptv2, write_mixture, cards):
    config = write_mixture()
    config.write_text(config.read_text() + f"\ntasks:\n  topics: {cards['topics']}\n  topics: {cards['names']}\n")
    said = ptv2("fit", "--config", config)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and "not valid YAML" in said.err


def test_a_name_that_pytorch_needs_is_refused(ptv2, write_config, cards):
    said = ptv2("fit", "--config", write_config(tasks={"keys": str(cards["topics"])}))
    assert said.code == 2 and "tasks.keys: 'keys' cannot be a task's name here" in said.err


# -- several artifacts at once -----------------------------------------------------------------------------------------


@pytest.fixture
def rows(cards, tmp_path):
    """Rows of two tasks in turn, each saying which it is of."""
    tests = {task: (cards[task].parent / task / "test.jsonl").read_text().splitlines() for task in ("topics", "names")}
    pairs = zip(*tests.values(), strict=True)
    mixed = [json.loads(line) | {"task": task} for pair in pairs for task, line in zip(tests, pair, strict=True)]
    return write_rows(tmp_path / "rows.jsonl", mixed)


def test_rows_are_routed_to_their_artifact_in_one_pass(ptv2, finished, rows):
    both = ptv2("predict", "--artifact", finished("topics"), "--artifact", finished("names"), "--input", rows)
    assert both.code == 0, both.err
    lines = [json.loads(line) for line in both.out.splitlines()]
    assert [line.pop("task") for line in lines] == ["topics", "names"] * 16
    for start, task in enumerate(("topics", "names")):
        alone = (finished(task) / "predictions" / f"{task}.test.jsonl").read_text().splitlines()
        for got, line in zip(lines[start::2], alone, strict=True):
            expected = json.loads(line)
            assert got.pop("row") == start + 2 * expected.pop("row")
            assert got.pop("scores", {}) == pytest.approx(expected.pop("scores", {}), abs=1e-5)
            assert got == expected


def test_a_row_of_an_unknown_task_is_named(ptv2, finished, rows):
    both = ("predict", "--artifact", finished("topics"), "--artifact", finished("names"), "--input", rows)
    rows.write_text(rows.read_text().replace('"task": "names"', '"task": "name"', 1))
    said = ptv2(*both)
    assert said.code == 2 and said.err.startswith(f"error: {rows}:2: unknown task 'name'; did you mean 'names'? (")
    rows.write_text(rows.read_text().replace(', "task": "name"}', "}", 1))
    assert "rows.jsonl:2: no field 'task', and there are several tasks" in ptv2(*both).err


def test_a_row_of_another_task_than_the_only_one_is_named(ptv2, finished, rows):
    said = ptv2("predict", "--artifact", finished("names"), "--input", rows)
    assert said.code == 2 and said.err.startswith(f"error: {rows}:1: unknown task 'topics'")


def test_artifacts_that_do_not_go_together_are_refused(ptv2, finished, rows, write_config, tmp_path):
    said = ptv2("predict", "--artifact", finished("topics"), "--artifact", finished("topics"), "--input", rows)
    assert said.code == 2 and "task 'topics' is in another artifact too" in said.err
    assert ptv2("fit", "--config", write_config("names"), "prompt.length=3").code == 0
    said = ptv2("predict", "--artifact", finished("topics"), "--artifact", tmp_path / "runs" / "names", "--input", rows)
    assert said.code == 2 and "has prompt.length '3'" in said.err and len(said.err.splitlines()) == 1


def test_the_pooling_of_a_head_that_pools_nothing_does_not_matter(ptv2, finished, rows, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config("topics"), "head.pooling=mean").code == 0
    topics = tmp_path / "runs" / "topics"
    expected = [json.loads(x) for x in (topics / "predictions" / "topics.test.jsonl").read_text().splitlines()]
    for folders in ((topics, finished("names")), (finished("names"), topics)):
        said = ptv2("predict", "--artifact", folders[0], "--artifact", folders[1], "--input", rows)
        assert said.code == 0, said.err
        lines = [json.loads(line) for line in said.out.splitlines()][::2]
        for got, wanted in zip(lines, expected, strict=True):
            assert got["scores"] == pytest.approx(wanted["scores"], abs=1e-5)


def test_an_artifact_of_several_tasks_answers_for_all(ptv2, write_mixture, rows, tmp_path):
    assert (
        ptv2("fit", "--config", write_mixture(prompt={"length": 4, "sharing": "shared+task", "gate": True})).code == 0
    )
    folder = tmp_path / "runs" / "topics"
    said = ptv2("predict", "--artifact", folder, "--input", rows)
    assert said.code == 0, said.err
    lines = [json.loads(line) for line in said.out.splitlines()]
    expected = [json.loads(x) for x in (folder / "predictions" / "names.test.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines[1::2]] == [line["prediction"] for line in expected]


def test_the_curves_of_tasks_have_the_last_step_where_it_is_the_only_one(ptv2, write_mixture, tmp_path):
    assert ptv2("fit", "--config", write_mixture(), "run.log_every=1000").code == 0
    shares = [line for line in logged(tmp_path / "runs" / "topics") if "train/topics/share" in line]
    assert len(shares) == 1
