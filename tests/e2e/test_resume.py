"""A run that was asked to stop goes on where it stood. What else can happen to a run stands in faults/."""

import json
import os
import shutil
import signal

import pytest
import torch
from safetensors.torch import load_file
from scene import files

from ptv2.model.module import PromptModule


@pytest.fixture
def stop(monkeypatch):
    """`stop(7)`: the next process gets a signal in its training step 7, the eighth."""

    def at(step, number=signal.SIGINT):
        whole = PromptModule.training_step

        def signal_and_step(module, batch, index):
            if module.trainer.global_step == step:
                monkeypatch.undo()
                os.kill(os.getpid(), number)
            return whole(module, batch, index)

        monkeypatch.setattr(PromptModule, "training_step", signal_and_step)

    return at


def logged(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("step", "more"),
    [(0, ()), (3, ()), (5, ()), (6, ("run.save_every=2",)), (9, ("data.workers=1",)), (12, ("prompt.projection=4",))],
)
def test_a_stopped_run_ends_as_one_that_was_not(ptv2, write_config, tmp_path, stop, step, more):
    config, three = write_config(), ("trainer.max_epochs=3", *more)
    undisturbed = tmp_path / "others" / "topics"
    assert ptv2("fit", "--config", config, f"run.folder={tmp_path}/others", *three).code == 0

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    stop(step)
    said = ptv2("fit", "--config", config, *three)
    assert said.code == 130
    assert said.err == f"interrupted; step {step + 1} is saved, the same command resumes from it\n"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == handlers
    folder = tmp_path / "runs" / "topics"
    assert not (folder / "results.json").exists()
    said = ptv2("fit", "--config", config, *three)
    assert said.code == 0 and said.err == ""
    assert f"step {step + 2}/18" in said.out and f"step {step + 1}/18" not in said.out

    first, second = (load_file(f / "prompt" / "weights.safetensors") for f in (undisturbed, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert logged(folder) == logged(undisturbed)
    assert files(folder / "predictions") == files(undisturbed / "predictions")


def test_a_run_that_was_trained_and_not_scored_is_scored(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config()).code == 0
    folder = tmp_path / "runs" / "topics"
    before = files(folder)
    (folder / "results.json").unlink()
    said = ptv2("fit", "--config", write_config())
    assert said.code == 0 and "step 1/" not in said.out
    after = files(folder)
    for name in ("metrics.jsonl", "prompt/weights.safetensors", "predictions/topics.test.jsonl"):
        assert after[name] == before[name]
    scores = [json.loads(text["results.json"])["scores"] for text in (before, after)]
    assert scores[0] == scores[1]


def test_never_starts_afresh(ptv2, write_config, tmp_path, stop):
    config = write_config()
    stop(7)
    assert ptv2("fit", "--config", config).code == 130
    (tmp_path / "runs" / "topics" / "notes.txt").write_text("of the first session")
    said = ptv2("fit", "--config", config, "resume=never")
    assert said.code == 0 and "step 1/12" in said.out
    assert not (tmp_path / "runs" / "topics" / "notes.txt").exists()
    assert [line["step"] for line in logged(tmp_path / "runs" / "topics") if "train/loss" in line] == list(range(1, 13))


def test_from_a_checkpoint_of_another_run(ptv2, write_config, tmp_path, stop):
    """With more epochs: it begins there, and goes on from its own checkpoints after that."""
    config = write_config()
    assert ptv2("fit", "--config", config, "trainer.max_epochs=-1", "trainer.max_steps=6").code == 0
    later = ("run.name=later", f"resume={tmp_path}/runs/topics/checkpoints/step-00000006.ckpt")
    stop(9)
    said = ptv2("fit", "--config", config, *later)
    assert said.code == 130 and "step 7/12" in said.out and "step 6/12" not in said.out
    said = ptv2("fit", "--config", config, *later)
    assert said.code == 0 and "step 11/12" in said.out and "step 10/12" not in said.out
    steps = [line["step"] for line in logged(tmp_path / "runs" / "later") if "train/loss" in line]
    assert steps == list(range(7, 13))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            "data.batch_size=4",
            "data.batch_size: is 4 on all devices together, and {} counts batches drawn with 8; make",
        ),
        ("seed=2", "seed: is 2, and {} counts batches drawn with 11; make them equal (resume=PATH run.name=NEW), or"),
        ("mixture.steps_per_epoch=5", "mixture.steps_per_epoch: is 5, and {} counts batches drawn with 6; make"),
        (
            "trainer.accumulate_grad_batches=2",
            "trainer.accumulate_grad_batches: is 2, and {} counts batches drawn with 1",
        ),
        ("task.max_length=7", "tasks.topics: is 48 features of "),
    ],
)
def test_batches_that_are_drawn_otherwise_are_refused(ptv2, write_config, tmp_path, changed, says):
    """The checkpoint's position counts batches: among others, rows would be left out or come twice."""
    config = write_config()
    assert ptv2("fit", "--config", config, "trainer.max_epochs=1").code == 0
    said = ptv2("fit", "--config", config, "run.name=later", f"resume={tmp_path}/runs/topics", changed)
    assert said.code == 2 and said.err.startswith("error: " + says.format("step-00000006.ckpt")), said
    assert not (tmp_path / "runs" / "later").exists()


def test_a_batch_size_that_decides_nothing_may_change(ptv2, write_config, tmp_path):
    config, tokens = write_config(), "data.tokens_per_batch=64"
    assert ptv2("fit", "--config", config, tokens, "trainer.max_epochs=1").code == 0
    later = ("run.name=later", f"resume={tmp_path}/runs/topics", "data.batch_size=16")
    said = ptv2("fit", "--config", config, tokens, *later)
    assert said.code == 0 and "step 1/" not in said.out, said


def test_a_checkpoint_and_a_start_from_scratch_exclude_each_other(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config(), "trainer.max_epochs=1").code == 0
    more = (f"resume={tmp_path}/runs/topics", "run.overwrite=true")
    said = ptv2("fit", "--config", write_config(), "run.name=later", *more)
    assert said.code == 2 and "resume: run.overwrite=true starts from scratch" in said.err
    assert not (tmp_path / "runs" / "later").exists()


def test_a_run_does_not_end_before_its_checkpoint(ptv2, write_config, tmp_path):
    steps = ("trainer.max_epochs=-1", "trainer.max_steps={}")
    assert ptv2("fit", "--config", write_config(), steps[0], steps[1].format(6)).code == 0
    more = (f"resume={tmp_path}/runs/topics", "run.name=later", steps[0])
    said = ptv2("fit", "--config", write_config(), *more, steps[1].format(4))
    assert said.code == 2 and "trainer.max_steps: is 4, and step-00000006.ckpt stands at step 6; give" in said.err
    assert ptv2("fit", "--config", write_config(), *more, steps[1].format(6)).code == 0


def test_a_backbone_with_other_weights_is_refused(ptv2, write_config, tmp_path, tiny_bert):
    from transformers import AutoModel

    mine = shutil.copytree(tiny_bert, tmp_path / "mine")
    config = write_config(backbone={"name": str(mine)})
    assert ptv2("fit", "--config", config, "trainer.max_epochs=1").code == 0
    model = AutoModel.from_pretrained(mine)
    model.embeddings.word_embeddings.weight.data += 1
    model.save_pretrained(mine)
    said = ptv2("fit", "--config", config, f"resume={tmp_path}/runs/topics", "run.name=later")
    assert said.code == 2 and "backbone.name: the backbone's weights are not those that step-00000006.ckpt" in said.err


@pytest.mark.parametrize(
    ("path", "says"),
    [("nowhere.ckpt", "no such checkpoint; use auto, never"), ("", "holds no checkpoint that can be read")],
)
def test_from_a_checkpoint_that_is_not_there(ptv2, write_config, tmp_path, path, says):
    said = ptv2("fit", "--config", write_config(), f"resume={tmp_path}/{path}")
    assert said.code == 2 and said.err.startswith(f"error: resume: {tmp_path}") and says in said.err
    assert not (tmp_path / "runs").exists()


def test_the_best_checkpoint_of_another_run_stays_the_best(ptv2, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config(), "trainer.max_epochs=1", "optim.schedule=constant").code == 0
    more = ("run.name=later", f"resume={tmp_path}/runs/topics", "optim.lr=1e-9", "optim.schedule=constant")
    said = ptv2("fit", "--config", write_config(), *more)
    assert said.code == 0 and "best checkpoint cannot be used" not in said.err
    assert (tmp_path / "runs/later/checkpoints/best.ckpt").exists()


def test_the_path_of_a_run_means_its_newest_checkpoint(ptv2, write_config, tmp_path):
    config = write_config()
    assert ptv2("fit", "--config", config, "trainer.max_epochs=1").code == 0
    said = ptv2("fit", "--config", config, "run.name=later", f"resume={tmp_path}/runs/topics")
    assert said.code == 0 and "step 7/12" in said.out and "step 6/12" not in said.out


def test_the_board_shows_one_curve(ptv2, write_config, tmp_path, stop):
    """What a killed session logged after its checkpoint is not shown beside what the next one did instead."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = write_config()
    stop(7)
    assert ptv2("fit", "--config", config).code == 130
    folder = tmp_path / "runs" / "topics"
    (folder / "checkpoints" / "step-00000008.ckpt").unlink()  # as if killed before it was saved
    assert ptv2("fit", "--config", config).code == 0
    board = EventAccumulator(str(folder))
    board.Reload()
    shown = [(event.step, event.value) for event in board.Scalars("train/loss")]
    wanted = [(line["step"], line["train/loss"]) for line in logged(folder) if "train/loss" in line]
    assert shown == wanted and len(shown) == 12


def test_time_and_tokens_of_all_sessions_count(ptv2, write_config, tmp_path, stop, monkeypatch):
    seen = {}
    config = write_config()
    for name, step in (("whole", None), ("topics", 7)):
        if step:
            stop(step)
            assert ptv2("fit", "--config", config).code == 130
            last = tmp_path / "runs" / name / "checkpoints" / "step-00000008.ckpt"
            assert torch.load(last, weights_only=True)["callbacks"]["Checkpoints"]["seconds"] > 0
        assert ptv2("fit", "--config", config, f"run.name={name}").code == 0
        last = tmp_path / "runs" / name / "checkpoints" / "step-00000012.ckpt"
        seen[name] = torch.load(last, weights_only=True)["tokens_seen"]
    assert seen["whole"] == seen["topics"] > 0
