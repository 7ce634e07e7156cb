"""A metric of the user's own, in a file that a config or `--import` names."""

import json
import shutil

import pytest
import yaml

from ptv2.kinds import KINDS
from ptv2.kinds.cls import ClsFeatures
from ptv2.metrics.table import METRICS
from ptv2.runtime import imports

OWN = """
from ptv2.kinds import KINDS, Kind
from ptv2.kinds.cls import ClsFeatures, ClsHead
from ptv2.metrics.table import METRICS


class Loud(ClsFeatures):
    def shown(self, row, outputs):
        return super().shown(row, outputs) | {"loud": True}


KINDS["loud"] = Kind(Loud, ClsHead)
for metric in ("accuracy", "macro_f1"):
    METRICS[metric] = METRICS[metric].also("loud")
"""


@pytest.fixture
def own(tmp_path, cards, write_config, monkeypatch):
    """The user's file, a card of its kind and a config, with nothing of it known in this process."""
    monkeypatch.setattr(imports, "loaded", set())
    monkeypatch.setitem(KINDS, "loud", None)
    monkeypatch.delitem(KINDS, "loud")
    for metric in ("accuracy", "macro_f1"):
        monkeypatch.setitem(METRICS, metric, METRICS[metric])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_kind.py").write_text(OWN)
    card = yaml.safe_load(cards["topics"].read_text()) | {"kind": "loud"}
    (tmp_path / "loud.yaml").write_text(yaml.safe_dump(card))
    assert "loud" not in KINDS
    return write_config(tasks={"loud": "loud.yaml"}, run={"folder": "runs", "name": "own"}, trainer={"max_epochs": 1})


def test_a_run_its_artifact_and_a_process_without_it(ptv2, spawn, own, cards, tmp_path):
    said = ptv2("fit", "--config", own)
    assert said.code == 2 and "loud" in said.err
    said = spawn("fit", "--config", own, "--import", "own_kind.py", "data.workers=1")
    assert said.code == 0, said.err
    about = json.loads((tmp_path / "runs" / "own" / "prompt" / "artifact.json").read_text())
    assert about["config"]["import"] == ["own_kind.py"]
    rows = cards["topics"].parent / "topics" / "test.jsonl"
    said = spawn("predict", "--artifact", "runs/own", "--input", rows, "--import", "own_kind.py")
    assert said.code == 0 and all(json.loads(line)["loud"] for line in said.out.splitlines())

    said = spawn("predict", "--artifact", "runs/own", "--input", rows)
    assert said.code == 2 and "needs the Python file own_kind.py, and an artifact runs no code by itself" in said.err
    assert said.err.endswith("give it with --import own_kind.py\n") and len(said.err.splitlines()) == 1
    (tmp_path / "elsewhere").mkdir()
    shutil.move("own_kind.py", "elsewhere/own_kind.py")
    said = spawn("evaluate", "--artifact", "runs/own", "--task", "loud.yaml", "--import", "elsewhere/own_kind.py")
    assert said.code == 0, said.err


def test_a_config_names_it(ptv2, own):
    config = yaml.safe_load(own.read_text()) | {"import": ["own_kind.py"]}
    own.write_text(yaml.safe_dump(config))
    assert ptv2("fit", "--config", own, "--dry-run").code == 0
    assert issubclass(KINDS["loud"].features, ClsFeatures)


def test_a_file_that_fails_is_one_line(ptv2, own, tmp_path):
    (tmp_path / "own_kind.py").write_text("a = 1\nb = c\n")
    for command in ("fit", "prepare", "slurm"):
        said = ptv2(command, "--config", own, "--import", "own_kind.py")
        says = "own_kind.py:2: cannot be imported (NameError: name 'c' is not defined); correct the file"
        assert (said.code, said.err) == (2, f"error: {says}\n")
