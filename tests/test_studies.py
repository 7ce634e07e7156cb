"""The committed results of our comparisons are those of their config files, which can be run again."""

import os
from pathlib import Path

import pytest
import yaml

from experiments.bench.systems import tasks_of
from experiments.transfer.pretrain import KINDS
from experiments.transfer.runs import load
from experiments.transfer.study import TARGETS
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.study.cell import identity
from ptv2.study.config import read_study
from ptv2.study.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
FILES = [*(ROOT / "configs" / "compare").glob("*.yaml"), *(ROOT / "experiments").glob("*/*.yaml")]
STUDIES = {
    file.relative_to(ROOT).as_posix(): ROOT / results / "results.jsonl"
    for file in FILES
    if (results := yaml.safe_load(file.read_text(encoding="utf-8")).get("results"))
}


@pytest.mark.parametrize("name", STUDIES)
def test_results_belong_to_their_config(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    plan = Plan(read_study(Path(name)))
    held = plan.lines.read()
    assert held, f"{STUDIES[name].parent} holds no finished cell"
    trials = [trial for tried in plan.trials.values() for trial in tried]
    digests = {identity(cell.key): cell.digest for cell in [*plan.cells, *trials]}
    for line in held:  # those of the first studies have no digest
        digest = digests[identity(line["cell"])]
        assert line.get("config", digest) == digest, line["cell"]


def few(config: Config) -> Config:
    config.data.limit = {"train": 4, "validation": 4, "test": 4}
    return config


def encode(config: Config) -> None:
    for data in tasks_of(few(config)).values():
        for split in data.rows:
            assert 0 < len(data.rows[split].data) <= 4 and len(data.encoded(split)), split


needs_data = pytest.mark.skipif("PTV2_DATA" not in os.environ, reason="PTV2_DATA names no folder of labelled data")


@needs_data
@pytest.mark.parametrize("name", STUDIES)
def test_the_rows_of_a_study_can_be_read(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    tasks = {str(cell.key["task"]): cell for cell in Plan(read_study(Path(name))).cells}
    for cell in tasks.values():
        encode(make_config(cell.settings["values"], cell.settings["overrides"]))


@needs_data
@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_of_a_source_can_be_read(kind):
    encode(load(kind, KINDS[kind], []))


@needs_data
@pytest.mark.parametrize("target", TARGETS)
def test_the_rows_of_a_target_can_be_read(target):
    encode(load(target, {target: TARGETS[target].card}, []))
