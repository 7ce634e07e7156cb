"""The committed results of our comparisons are those of their config files: any table can be written again."""

from pathlib import Path

import pytest
import yaml

from ptv2.study.cell import identity
from ptv2.study.config import read_study
from ptv2.study.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
FILES = [*(ROOT / "configs" / "compare").glob("*.yaml"), *(ROOT / "experiments").glob("*/study.yaml")]
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
