"""Methods prompt, prefix and ptuning as a user runs them: fit, resume, artifacts, predict, mixtures, refusals."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from ptv2.config.load import load_config
from ptv2.model.build import build
from ptv2.model.module import PromptModule

SHORT = {"trainer": {"max_epochs": 1}}


def weights(folder):
    return load_file(folder / "prompt" / "weights.safetensors")


def interrupt(monkeypatch, step):
    """Send this process a signal in this step of the next run."""
    whole = PromptModule.training_step

    def interrupted(module, batch, index):
        if module.trainer.global_step == step:
            monkeypatch.setattr(PromptModule, "training_step", whole)
            os.kill(os.getpid(), signal.SIGINT)
        return whole(module, batch, index)

    monkeypatch.setattr(PromptModule, "training_step", interrupted)


METHODS = {
    "prompt": {"method": "prompt", "prompt": {"length": 3, "init": "vocab"}},
    "residual": {"method": "prompt", "prompt": {"length": 3, "residual": 8, "init": "labels"}},
    "ensemble": {"method": "prompt", "prompt": {"length": 2, "ensemble": 3, "init": "uniform"}},
    "prefix": {"method": "prefix", "prompt": {"length": 3, "projection": 8}},
    "words": {"method": "prefix", "prompt": {"length": 3, "projection": 8, "init": "vocab"}},
}
MATRICES = {"prompt": 1, "residual": 1, "ensemble": 3, "prefix": 3, "words": 3}  # of the prompt: one per place


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_is_the_undisturbed_one_and_its_artifact_predicts_the_same(
    method, ptv2, write_config, cards, tmp_path, monkeypatch
):
    config = write_config(**METHODS[method])
    said = ptv2("fit", "--config", config, f"run.folder={tmp_path}/others")
    assert said.code == 0, said.err
    interrupt(monkeypatch, 5)
    assert ptv2("fit", "--config", config).code == 130
    said = ptv2("fit", "--config", config)
    assert said.code == 0 and "step 7/12" in said.out and "step 6/12" not in said.out

    undisturbed, folder = tmp_path / "others" / "topics", tmp_path / "runs" / "topics"
    held, wanted = weights(folder), weights(undisturbed)
    assert held.keys() == wanted.keys() and all(torch.equal(held[name], wanted[name]) for name in wanted)
    assert {name for name in held if name.startswith("prompt.")} == {
        f"prompt.rows.rows.{i}" for i in range(MATRICES[method])
    }
    lines = (folder / "predictions" / "topics.test.jsonl").read_text()
    rows = cards["topics"].with_suffix("") / "test.jsonl"
    assert ptv2("predict", "--artifact", folder, "--input", rows).out == lines
    said = ptv2("evaluate", "--artifact", folder, "--task", cards["topics"], "--json")
    assert (
        json.loads(said.out)["scores"] == json.loads((folder / "results.json").read_text())["scores"]["test"]["topics"]
    )


@pytest.mark.parametrize(
    ("method", "sharing"),
    [("prompt", "shared"), ("prompt", "task"), ("prompt", "shared+task"), ("prefix", "task")],
)
def test_a_mixture_with_mixed_batches(method, sharing, ptv2, write_config, cards, tmp_path):
    tasks = {name: str(path) for name, path in cards.items()}
    keys = {"method": method, "prompt": {"length": 3, "sharing": sharing}, "mixture": {"batches": "mixed"}} | SHORT
    said = ptv2(
        "fit", "--config", write_config(tasks=tasks, run={"folder": str(tmp_path), "name": "all"}, **keys | SHORT)
    )
    assert said.code == 0, said.err
    for task in tasks:
        rows = cards[task].with_suffix("") / "test.jsonl"
        said = ptv2("predict", "--artifact", tmp_path / "all", "--input", rows, "--task", task)
        assert said.out == (tmp_path / "all" / "predictions" / f"{task}.test.jsonl").read_text()


@torch.no_grad()
def test_an_ensemble_reads_a_mixed_batch_as_each_task_alone(write_config, cards):
    tasks = {name: str(path) for name, path in cards.items()}
    prompt = {"length": 3, "ensemble": 2, "sharing": "task", "init": "uniform"}
    parts = build(load_config(write_config(tasks=tasks, method="prompt", prompt=prompt, mixture={"batches": "mixed"})))
    batches = iter(parts.data.joint_dataloader(list(tasks), "test"))
    batch = next(batch for batch in batches if len(batch.get("parts", ())) > 1)
    module = parts.module.eval()
    for part, members in module.members(batch):
        ((_, alone),) = module.members(part)
        assert len(members) == len(alone) == 2 and not torch.equal(*members)
        for got, wanted in zip(members, alone, strict=True):
            torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)


def test_a_prompt_starts_from_an_artifact_and_from_the_most_similar_one(ptv2, write_config, cards, tmp_path):
    config = write_config(method="prompt", prompt={"length": 3}, **SHORT)
    assert ptv2("fit", "--config", config).code == 0
    held = weights(tmp_path / "runs" / "topics")["prompt.rows.rows.0"]
    other = write_config("names", method="prompt", prompt={"length": 3}, **SHORT)
    for init in (f"artifact:{tmp_path}/runs/topics", f"retrieve:{tmp_path}/runs"):
        said = ptv2("fit", "--config", other, f"prompt.init={init}", "optim.lr=1e-9", "run.overwrite=true",
                    f"run.folder={tmp_path}/more", "prompt.retrieve.steps=1")  # fmt: skip
        assert said.code == 0, said.err
        torch.testing.assert_close(weights(tmp_path / "more" / "names")["prompt.rows.rows.0"], held)
    said = ptv2("fit", "--config", config, f"prompt.init=artifact:{tmp_path}/runs/topics", "prompt.length=4",
                "run.name=longer")  # fmt: skip
    assert said.code == 2 and "holds prompt vectors of other shapes (1 of (3, 16)) than the config asks for" in said.err


def test_two_artifacts_answer_in_one_pass(ptv2, write_config, cards, tmp_path):
    folders = []
    for task in ("topics", "names"):
        assert ptv2("fit", "--config", write_config(task, method="prompt", prompt={"length": 3}, **SHORT)).code == 0
        folders.append(tmp_path / "runs" / task)
    row = {"task": "topics", "id": 0, "text": "cat dog"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    said = ptv2("predict", "--artifact", folders[0], "--artifact", folders[1], "--input", tmp_path / "rows.jsonl")
    assert said.code == 0, said.err
    (tmp_path / "alone.jsonl").write_text(json.dumps({"text": "cat dog"}) + "\n")
    alone = ptv2("predict", "--artifact", folders[0], "--input", tmp_path / "alone.jsonl")
    assert json.loads(said.out)["scores"] == pytest.approx(json.loads(alone.out)["scores"], abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["prompt.layers=top:1"], "prompt.layers: is for prompts in layers, and method 'prompt' has one at the input"),
        (["prompt.form=hidden"], "prompt.form: is for prompts in layers"),
        (["prompt.gate=true"], "prompt.gate: is for prompts in layers"),
        (
            ["prompt.length=[2, 3]"],
            "prompt.length: is '[2, 3]', and method 'prompt' has one prompt, at the input",
        ),
        (["prompt.length=0"], "prompt.length: is '0', and method 'prompt' has one prompt"),
        (["prompt.length=500"], "topics.max_length: 24 tokens + 500 prompt positions do not fit"),
        (
            ["method=deep", "prompt.residual=8", "prompt.form=slots"],
            "prompt.residual: is for the positions of the forms",
        ),
        (
            ["method=prefix", "prompt.residual=8"],
            "prompt.residual: and prompt.projection are two ways to make the same",
        ),
        (["method=deep", "prompt.ensemble=2"], "prompt.ensemble: is for a prompt at the input"),
        (["method=deep", "prompt.init=labels"], "prompt.init: 'labels' are token embeddings"),
        (["prompt.init=lables"], "prompt.init: unknown init 'lables'; did you mean 'labels'?"),
        (
            ["method=prefix", "prompt.init=zero"],
            "prompt.init: init 'zero' cannot be put through the projection",
        ),
        (["method=prefix", "prompt.form=hidden"], "prompt.form: method 'prefix' learns keys and values"),
        (["prompt.train=own"], "prompt.train: 'own' freezes what tasks share"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_in_a_line(changes, message, ptv2, write_config):
    said = ptv2("fit", "--config", write_config(method="prompt", prompt={"length": 3}), *changes)
    assert said.code == 2 and message in said.err and said.err.count("\n") == 1, said.err


def test_an_ensemble_is_refused_where_answers_cannot_be_joined(ptv2, write_config):
    config = write_config("ratings", method="prompt", prompt={"length": 2, "ensemble": 2, "vote": "majority"})
    said = ptv2("fit", "--config", config)
    assert said.code == 2
    assert "prompt.vote: task 'ratings' is of kind 'regression', whose answers are numbers" in said.err
