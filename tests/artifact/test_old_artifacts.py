"""Artifacts and checkpoints that earlier versions wrote are read, and mean the same numbers.

`tests/artifacts` holds them with the tiny backbone they were made for: one folder for each way to share a prompt, and
for each set of tensors that a method or a form leaves.
"""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.testing import assert_close

import ptv2
from ptv2.artifact.files import read_artifact
from ptv2.commands import fit, predict, shell
from ptv2.errors import UserError
from ptv2.model.module import PromptModule

OLD = Path(__file__).parents[1] / "artifacts"


def command(module, *argv: object) -> None:
    shell.run(module.main, module.command_line(), [str(word) for word in argv])


def answers(name, capfd):
    """What is answered today beside what was answered when the artifact was made."""
    command(predict, "--artifact", OLD / name, "--input", OLD / "rows.jsonl", f"backbone.name={OLD / 'backbone'}")
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    wanted = [json.loads(line) for line in (OLD / name / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == len(wanted) == 4
    return zip(lines, wanted, strict=True)


@pytest.mark.parametrize("name", ["shared", "task", "shared-task", "hidden"])
def test_an_old_artifact_predicts_the_same(name, capfd):
    for line, old in answers(name, capfd):
        label = "tags" if "tags" in old else "label"
        assert (line["task"], line["prediction"]) == (old["task"], old[label])
        assert line.get("scores") == pytest.approx(old["scores"], abs=2e-6) if "scores" in old else "scores" not in line


@pytest.mark.parametrize("name", ["forms", "keys", "input", "lora", "union"])
def test_an_artifact_of_each_method_and_form_predicts_the_same(name, capfd):
    for line, old in answers(name, capfd):
        assert line | {"scores": None} == old | {"scores": None}
        assert line.get("scores") == pytest.approx(old.get("scores"), abs=2e-6)


def test_an_artifact_of_a_later_format_is_refused(tmp_path):
    folder = shutil.copytree(OLD / "shared", tmp_path / "later")
    about = json.loads((folder / "artifact.json").read_text())
    (folder / "artifact.json").write_text(json.dumps(about | {"format": 2}))
    with pytest.raises(UserError, match="has format 2, this version reads 1"):
        read_artifact(folder)


def test_a_run_that_an_earlier_version_began_is_resumed(tmp_path, monkeypatch):
    """It ends with the weights that it had ended with then."""
    for name in ("backbone", "rows"):
        shutil.copytree(OLD / name, tmp_path / name)
    shutil.copytree(OLD / "begun", tmp_path / "runs" / "shared-task")
    monkeypatch.chdir(tmp_path)
    steps, whole = [], PromptModule.training_step
    noted = lambda module, *args: (steps.append(module.global_step), whole(module, *args))[1]  # noqa: E731
    monkeypatch.setattr(PromptModule, "training_step", noted)
    command(fit, "--config", "runs/shared-task/config.yaml", "run.name=shared-task")
    assert steps == [8, 9, 10, 11]
    ended = load_file("runs/shared-task/prompt/weights.safetensors")
    then = load_file(OLD / "shared-task" / "weights.safetensors")
    assert ended.keys() == then.keys()
    for weight, old in then.items():
        assert_close(ended[weight], old, rtol=1e-4, atol=1e-5)


def test_rows_that_were_refused_are_not_in_the_way_of_another_task():
    run = ptv2.load(OLD / "shared", overrides={"backbone.name": str(OLD / "backbone")})
    rows = [{"text": "cat dog the"}]
    wanted = run.predict(rows, task="topics")
    with pytest.raises(ptv2.UserError, match="'tokens' does not hold words"):
        run.predict([{"tokens": 7}], task="names")
    assert run.predict(rows, task="topics") == wanted
