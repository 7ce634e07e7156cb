"""What a run leaves behind, and what it does when it is started again."""

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file
from scene import files

from ptv2.config.load import load_config


@pytest.fixture
def fit(ptv2, write_config, tmp_path):
    """Run fit on a task to its end; the run folder."""

    def run(task="topics", *argv, **keys):
        said = ptv2("fit", "--config", write_config(task, **keys), *argv)
        assert said.code == 0 and said.err == "", said
        return tmp_path / "runs" / task

    return run


def best(folder):
    """The step that best.ckpt points to."""
    return int((folder / "checkpoints" / "best.ckpt").resolve().stem.removeprefix("step-"))


def test_the_best_checkpoint_is_not_the_last(fit, monkeypatch):
    scores = iter([0.5, 0.9, 0.7, 0.6])
    monkeypatch.setattr("ptv2.model.module.goodness", lambda *_: next(scores))
    folder = fit("topics", "trainer.max_epochs=4", "run.keep_last=1")
    assert best(folder) == json.loads((folder / "results.json").read_text())["best_step"] == 12


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_folder_is_whole(finished, tiny_bert):
    folder = finished("topics")
    events = {name for name in files(folder) if name.startswith("events.out.")}
    assert len(events) == 2  # the curves, and the line of the hparams tab
    assert set(files(folder)) - events == {
        "config.yaml", "metrics.jsonl", "results.json", ".lock", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        "checkpoints/step-00000006.ckpt", "checkpoints/step-00000006.ckpt.sha256",
        "checkpoints/step-00000012.ckpt", "checkpoints/step-00000012.ckpt.sha256",
        "predictions/topics.validation.jsonl", "predictions/topics.test.jsonl", "speed.jsonl",
        "scored/topics.validation.json", "scored/topics.test.json",
        "prompt/artifact.json", "prompt/weights.safetensors", "prompt/README.md",
        "projector_config.pbtxt", "00012/prompt/tensors.tsv", "00012/prompt/metadata.tsv",
    }  # fmt: skip

    results = json.loads((folder / "results.json").read_text())
    assert best(folder) == results["best_step"]
    assert (results["name"], results["method"], results["seed"]) == ("topics", "deep", 11)
    assert (results["backbone"], results["tasks"]) == (str(tiny_bert), {"topics": "topics"})
    assert set(results["scores"]) == {"validation", "test"}
    for scores in (results["scores"]["test"]["topics"], results["baseline"]["topics"]["test"]):
        assert set(scores) == {"accuracy", "macro_f1"} and all(0 <= score <= 1 for score in scores.values())
    assert results["steps"] == 12 and results["best_step"] in (6, 12)
    assert results["wall_seconds"] >= 0 and results["tokens_per_second"] > 0
    assert results["artifact_bytes"] == sum(
        len(data) for name, data in files(folder).items() if name.startswith("prompt/")
    )
    assert results["peak_memory"]["rss"] > 10**7
    prompt, head = 4 * 3 * 2 * 16, 16 * 2 + 2  # P * L * 2 * D; weights and biases of two labels
    assert results["parameters"]["prompt"] == {"total": prompt, "trainable": prompt}
    assert results["parameters"]["heads"] == {"total": head, "trainable": head}
    assert results["parameters"]["backbone"]["trainable"] == 0 < results["parameters"]["backbone"]["total"]
    assert {"ptv2", "python", "torch", "lightning", "transformers"} <= set(results["environment"]["versions"])
    assert {"git", "device", "threads"} <= set(results["environment"])

    logged = lines(folder / "metrics.jsonl")
    assert [line["step"] for line in logged if "train/loss" in line] == list(range(1, 13))
    scores = [line["validation/topics/accuracy"] for line in logged if "validation/topics/accuracy" in line]
    assert len(scores) == 2 and results["scores"]["validation"]["topics"]["accuracy"] == pytest.approx(max(scores))


def test_a_checkpoint_holds_what_is_trained_and_its_optimiser_but_no_backbone(finished):
    folder = finished("topics")
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    names = {"prompt.rows.rows.0", "prompt.rows.rows.1", "prompt.rows.rows.2"}
    names |= {"heads.topics.out.weight", "heads.topics.out.bias"}
    assert set(checkpoint["state_dict"]) == names
    assert len(checkpoint["optimizer_states"][0]["state"]) == len(names)


def test_a_prompt_folder_explains_itself(finished, tiny_bert):
    folder = finished("topics") / "prompt"
    about = json.loads((folder / "artifact.json").read_text())
    assert about["labels"] == {"topics": ["animal", "fruit"]}
    assert about["backbone"]["name"] == str(tiny_bert) and len(about["backbone"]["weights"]) == 64
    card = (folder / "README.md").read_text()
    assert "| topics v1 | cls | animal, fruit |" in card and "python -m ptv2.predict" in card


def test_the_config_of_a_run_makes_the_same_run(finished, ptv2, tmp_path):
    first, second = finished("topics"), tmp_path / "topics"
    assert ptv2("fit", "--config", first / "config.yaml", f"run.folder={tmp_path}").code == 0
    assert files(second / "prompt")["weights.safetensors"] == files(first / "prompt")["weights.safetensors"]
    for name in ("metrics.jsonl", "predictions/topics.test.jsonl"):
        assert (second / name).read_bytes() == (first / name).read_bytes()


def test_another_seed_makes_another_run(finished, fit):
    first = load_file(finished("topics") / "prompt" / "weights.safetensors")
    second = load_file(fit("topics", "seed=12") / "prompt" / "weights.safetensors")
    assert not torch.equal(first["prompt.rows.rows.0"], second["prompt.rows.rows.0"])


def test_a_finished_run_is_not_run_again(finished, ptv2):
    folder = finished("topics")
    before = files(folder)
    said = ptv2("fit", "--config", folder / "config.yaml")
    assert said.code == 0 and "is finished; run.overwrite=true runs it again" in said.out
    assert "topics accuracy" in said.out
    assert files(folder) == before


def test_a_run_of_another_config_stays_as_it_is(finished, ptv2):
    folder = finished("topics")
    before = files(folder)
    said = ptv2("fit", "--config", folder / "config.yaml", "optim.lr=0.5", "prompt.length=2")
    assert said.code == 2 and said.err == (
        f"error: {folder}: holds a run with another config (prompt.length, optim.lr differ); "
        f"give this run another run.name, with resume={folder} to go on from its checkpoint, "
        "or set run.overwrite=true to replace it\n"
    )
    assert files(folder) == before


def test_overwrite_starts_afresh(finished, fit, tmp_path):
    folder = shutil.copytree(finished("topics"), tmp_path / "runs" / "topics")
    (folder / "notes.txt").write_text("of the first run")
    fit("topics", "prompt.length=2", "run.overwrite=true")
    assert not (folder / "notes.txt").exists()
    assert len([line for line in lines(folder / "metrics.jsonl") if "train/loss" in line]) == 12
    assert yaml.safe_load((folder / "config.yaml").read_text())["prompt"]["length"] == 2


@pytest.mark.parametrize("argv", [(), ("run.overwrite=true",)])
def test_a_folder_that_holds_no_run_is_not_touched(ptv2, write_config, tmp_path, argv):
    folder = tmp_path / "runs" / "topics"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    said = ptv2("fit", "--config", write_config(), *argv)
    assert (
        said.code == 2
        and said.err == f"error: {folder}: is not empty and is not a run folder; choose another run.name\n"
    )
    assert list(files(folder)) == ["thesis.txt"]


def test_a_place_that_cannot_be_written(ptv2, write_config, tmp_path):
    (tmp_path / "runs").write_text("a file")
    said = ptv2("fit", "--config", write_config())
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"error: {tmp_path}/runs/topics: cannot be written (Not a directory)")
    said = ptv2("fit", "--config", write_config(), f"run.folder={tmp_path}", "run.name=runs")
    assert said.code == 2 and said.err == f"error: {tmp_path}/runs: is a file; choose another run.name\n"


def test_a_printed_config_is_a_config(ptv2, write_config, tmp_path):
    path = write_config()
    said = ptv2("fit", "--config", path, "optim.lr=1e-3", "task.max_length=20", "--print-config")
    assert said.code == 0 and said.err == "" and not (tmp_path / "runs").exists()
    printed = tmp_path / "printed.yaml"
    printed.write_text(said.out)
    config = load_config(printed)
    assert config == load_config(path, ["optim.lr=1e-3", "task.max_length=20"])
    assert (config.optim.lr, config.tasks["topics"].max_length, config.run.name) == (1e-3, 20, "topics")


def test_a_dry_run_shows_shapes_and_parameters_and_writes_nothing(ptv2, write_config, tmp_path):
    said = ptv2("fit", "--dry-run", "--config", write_config(), "prompt.layers=[0,2]")
    assert said.code == 0 and said.err == ""
    shown = [" ".join(line.replace("│", " ").split()) for line in said.out.splitlines()]
    assert {"train 48 48", "validation 16 16", "labels (8,)", "logits (8, 2)"} <= set(shown)
    assert "encoder layers 0, 2: kv [P,F] (4, 32)" in shown
    assert {"prompt 256 256", "heads 34 34"} <= set(shown)
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_refuses_what_the_run_would_and_says_where_it_resumes(ptv2, write_config, fit, tmp_path):
    (tmp_path / "file").write_text("")
    said = ptv2("fit", "--dry-run", "--config", write_config(), f"run.folder={tmp_path}/file/runs")
    assert said.code == 2 and said.err == f"error: {tmp_path}/file: is a file; choose another run.folder\n"
    said = ptv2("fit", "--dry-run", "--config", write_config(), f"resume={tmp_path}/nowhere")
    assert said.code == 2 and "no such checkpoint" in said.err
    folder = fit("topics")
    said = ptv2("fit", "--dry-run", "--config", write_config(), "run.name=next", f"resume={folder}")
    assert said.code == 0 and f"resumes from step 12 ({folder}/checkpoints/" in said.out
    said = ptv2("fit", "--dry-run", "--config", write_config(), "seed=99")
    assert said.code == 2 and "another config (seed differ)" in said.err


def test_training_rows_alone_are_enough(fit, cards, tmp_path):
    (tmp_path / "rows").mkdir()
    shutil.copy(cards["topics"].parent / "topics" / "train.jsonl", tmp_path / "rows")
    folder = fit("topics", f"task.dataset.path={tmp_path}/rows")
    results = json.loads((folder / "results.json").read_text())
    assert results["scores"] == {} and results["best_step"] == 12
