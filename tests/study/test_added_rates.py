"""A learning rate that is added later: what is run again, and what stays."""

import json

import pytest
import yaml

from ptv2.errors import UserError
from ptv2.study.plan import Plan
from ptv2.study.runs import leave_other_run

ENVIRONMENT = {"versions": {}, "device": "cpu", "cpu": "a cpu", "threads": 1}
SCORES = {0.1: 0.6, 0.2: 0.7, 0.3: 0.8}  # of the trials of deep; those of full fall as the rate rises


@pytest.fixture
def plan(study):
    """`plan([0.1, 0.2])`: of two methods on a task, with these rates for both."""
    keys = {"tasks": {"topics": "demo/bbc_topic"}, "methods": {"deep": None, "full": ["method=full"]}}
    return lambda rates, **more: Plan(study(**keys, **{"seeds": [1], "rates": rates} | more))


def names(cells):
    return [cell.name for cell in cells]


def score(trial):
    rate = trial.key["rate"]
    return SCORES[rate] if trial.key["method"] == "deep" else -rate


def finish(plan):
    """Write what is open, until nothing is, and return its names."""
    written = []
    while opened := plan.open():
        for cell in opened:
            is_trial = "rate" in cell.key
            scores = {"validation": score(cell)} if is_trial else {"score": 1.0, **cell.expected}
            cell.write(scores, ENVIRONMENT)
        written += names(opened)
    return written


def rates_of(plan):
    return {
        line["cell"]["method"]: line["scores"]["rate"]
        for line in plan.finished().values()
        if "rate" not in line["cell"]
    }


def test_its_trials_and_the_cells_whose_choice_changes_are_run(plan):
    finish(plan([0.1, 0.2]))
    assert rates_of(plan([0.1, 0.2])) == {"deep": 0.2, "full": 0.1}
    assert finish(plan([0.1, 0.2, 0.3])) == ["topics deep 1 rate=0.3", "topics full 1 rate=0.3", "topics deep 1"]
    assert rates_of(plan([0.1, 0.2, 0.3])) == {"deep": 0.3, "full": 0.1}


def test_a_cell_counts_until_its_trials_choose_another_rate(plan):
    finish(plan([0.1, 0.2]))
    more = plan([0.1, 0.2, 0.3])
    assert rates_of(more) == {"deep": 0.2, "full": 0.1}
    more.trials["topics", "deep"][2].write({"validation": 0.8}, ENVIRONMENT)
    assert rates_of(more) == {"full": 0.1}


def test_lines_without_folders_count_alike(plan, tmp_path):
    kept = {"results": str(tmp_path / "kept")}
    finish(plan([0.1, 0.2], **kept))
    elsewhere = kept | {"folder": str(tmp_path / "elsewhere")}
    assert plan([0.1, 0.2], **elsewhere).open() == []
    assert finish(plan([0.1, 0.2, 0.3], **elsewhere))[2:] == ["topics deep 1"]


def test_a_folder_that_is_stale_does_not_replace_a_newer_line(plan, tmp_path):
    kept = {"results": str(tmp_path / "kept")}
    finish(plan([0.1, 0.2], **kept))
    finish(plan([0.1, 0.2, 0.3], **kept, folder=str(tmp_path / "elsewhere")))
    here = plan([0.1, 0.2, 0.3], **kept)
    assert rates_of(here) == {"deep": 0.3, "full": 0.1} and here.open() == []


def test_one_rate_may_become_several(plan):
    finish(plan([0.1]))
    assert rates_of(plan([0.1])) == {"deep": 0.1, "full": 0.1}
    opened = finish(plan([0.1, 0.2]))
    assert opened[-1] == "topics deep 1" and "topics full 1" not in opened


def test_a_cell_whose_trials_all_diverged_is_not_finished(plan):
    finish(plan([0.1, 0.2]))
    for trial in plan([0.1, 0.2]).trials["topics", "deep"]:
        trial.write({"validation": None}, ENVIRONMENT)
    assert names(plan([0.1, 0.2]).open()) == ["topics deep 1"]


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        ([0.1, 0.2], [0.1, 0.2, 0.3], True),
        ([0.1, 0.2], [0.05, 0.2, 0.1], True),
        ([0.1], [0.1, 0.2], True),
        ([0.1, 0.2], [0.1, 0.3], False),
        ([0.1, 0.2], [0.1], False),
        (None, [0.01], False),  # the rate of the base: other trials than none
        ([0.01], None, False),
    ],
)
def test_rates_of_a_folder_may_become_more_and_no_other_ones(plan, old, new, fits):
    plan(old).check_folder()
    if fits:
        plan(new).check_folder()
        held = yaml.safe_load((plan(new).study.folder / "study.yaml").read_text())
        assert held["rates"]["deep"] == new
        return
    with pytest.raises(UserError, match=r"another config \(rates.deep, rates.full differ\)"):
        plan(new).check_folder()


def test_a_run_with_another_rate_leaves_its_folder(plan):
    cell = plan([0.1, 0.2]).cells[0]
    for rate, stays in ((0.1, True), (0.2, False)):
        (cell.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        (cell.path / "config.yaml").write_text(yaml.safe_dump({"optim": {"lr": 0.1}}))
        cell.write({"rate": 0.1}, ENVIRONMENT)
        leave_other_run(cell, rate)
        assert cell.path.exists() is stays
        assert [path.name for path in cell.path.parent.iterdir()] == (["1"] if stays else [])


def test_a_cell_accepts_lines_with_the_scores_that_are_expected(plan):
    cell = plan([0.1, 0.2]).cells[0]
    cell.expected["rate"] = 0.2
    assert cell.accepts({"scores": {"rate": 0.2}}) and not cell.accepts({"scores": {"rate": 0.1}})
    assert not cell.accepts({"scores": {}}) and not cell.accepts(None)
    cell.path.mkdir(parents=True)
    cell.file.write_text(json.dumps({"scores": 3}))
    with pytest.raises(UserError, match="cannot be read"):
        cell.read()
