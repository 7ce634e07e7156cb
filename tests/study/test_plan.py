"""Which cells there are, what comes before them, and how a learning rate is chosen."""

import json
import math

import pytest
import yaml

from ptv2.config.load import make_config
from ptv2.errors import UserError
from ptv2.study.plan import Plan
from ptv2.study.runs import best_rate

ENVIRONMENT = {"versions": {}, "device": "cpu", "cpu": "a cpu", "threads": 1}


def names(cells):
    return [cell.name for cell in cells]


def test_cells_are_run_folders_seed_by_seed(study, tmp_path):
    cells = Plan(study()).cells
    assert names(cells)[:4] == ["topics deep 1", "topics full 1", "topics head 1", "entities deep 1"]
    assert len(cells) == 12 and names(cells)[6] == "topics deep 2"
    assert cells[4].path == tmp_path / "runs" / "small" / "full" / "entities" / "1"
    config = make_config(cells[4].settings["values"], cells[4].settings["overrides"])
    assert (config.run.folder, config.run.name) == (str(tmp_path / "runs" / "small"), "full/entities/1")
    assert (config.method, config.seed, config.optim.lr, config.resume) == ("full", 1, 0.01, "auto")


def test_trials_come_first_and_read_no_test_rows(study):
    plan = Plan(study(rates=[0.1, 0.2], search_seed=7, tasks={"topics": "demo/bbc_topic"}, methods={"deep": None}))
    trials = plan.open()
    assert names(trials) == ["topics deep 7 rate=0.1", "topics deep 7 rate=0.2"]
    for trial, rate in zip(trials, (0.1, 0.2), strict=True):
        config = make_config(trial.settings["values"], trial.settings["overrides"])
        assert (config.optim.lr, config.seed) == (rate, 7)
        assert config.tasks["topics"].dataset.data_files == {"test": None}


def test_a_cell_waits_for_the_trials_of_its_method_and_task_alone(study):
    plan = Plan(study(rates=[0.1, 0.2], seeds=[1], tasks={"topics": "demo/bbc_topic"}))
    for trial in [trial for trials in plan.trials.values() for trial in trials]:
        if trial.key["method"] == "full":
            trial.write({"validation": 1 - trial.key["rate"]}, ENVIRONMENT)
    opened = plan.open()
    assert names(opened)[2] == "topics full 1"
    assert [line["scores"]["validation"] for line in opened[2].settings["trials"]] == [0.9, 0.8]
    assert names(opened)[:2] == ["topics deep 1 rate=0.1", "topics deep 1 rate=0.2"]


def test_one_rate_needs_no_trial(study):
    plan = Plan(study(rates={"deep": [0.3], "full": [0.001], "head": [0.3]}))
    assert not any(plan.trials.values()) and len(plan.open()) == 12
    config = make_config(plan.open()[1].settings["values"], plan.open()[1].settings["overrides"])
    assert (config.method, config.optim.lr) == ("full", 0.001)


def test_every_method_has_as_many_trials(study):
    plan = Plan(study(rates={"deep": [1e-2, 3e-2], "full": [1e-5, 1e-4], "head": [0.1, 0.2]}))
    assert [len(trials) for trials in plan.trials.values()] == [2] * 6


def lines(scores):
    return [
        {"cell": {"task": "t", "method": "m", "rate": rate}, "scores": {"validation": score}}
        for rate, score in scores.items()
    ]


@pytest.mark.parametrize(
    ("scores", "rate"),
    [
        ({0.1: 0.5, 0.2: 0.7, 0.3: 0.6}, 0.2),
        ({0.1: 0.5, 0.2: 0.5}, 0.1),  # the first of equal ones
        ({0.1: None, 0.2: 0.1}, 0.2),  # diverged
        ({0.1: math.nan, 0.2: 0.0}, 0.2),
        ({0.1: -9.0, 0.2: -4.0}, 0.2),  # a perplexity is better when it is lower
    ],
)
def test_the_rate_with_the_best_validation_score_is_chosen(scores, rate):
    assert best_rate(lines(scores)) == rate


def test_a_method_whose_rates_all_diverged_fails_with_a_reason():
    with pytest.raises(UserError, match=r"every rate of method 'm' on task 't' diverged \(0.1, 0.2\); try lower ones"):
        best_rate(lines({0.1: None, 0.2: math.nan}))


def test_finished_cells_of_the_results_file_are_not_run_again(study, tmp_path):
    made = study(results=str(tmp_path / "kept"), seeds=[1], tasks={"topics": "demo/bbc_topic"})
    cell = Plan(made).cells[0]
    (tmp_path / "kept").mkdir()
    line = {"cell": cell.key, "scores": {"score": 1.0}, "environment": ENVIRONMENT}
    (tmp_path / "kept" / "results.jsonl").write_text(json.dumps(line) + "\n")
    assert names(Plan(made).open()) == ["topics full 1", "topics head 1"]


def test_methods_tasks_and_seeds_may_be_added_to_a_folder(study):
    Plan(study()).check_folder()
    more = {
        "methods": {"deep": ["method=deep"], "long": ["prompt.length=32"]},
        "seeds": [3],
        "tasks": {"rte": "glue/rte"},
    }
    Plan(study(**more)).check_folder()
    held = yaml.safe_load((study().folder / "study.yaml").read_text())
    assert list(held["methods"]) == ["deep", "full", "head", "long"] and list(held["tasks"]) == [
        "topics",
        "entities",
        "rte",
    ]


OTHER = {
    "methods.deep": {"methods": {"deep": ["prompt.length=3"]}},
    "tasks.topics": {"tasks": {"topics": "glue/rte"}},
    "base": {"base": {"backbone": {"name": "another/model"}}},
    "limit": {"limit": {"test": 3}},
    "rates.deep": {"rates": [0.1]},
}


@pytest.mark.parametrize(("key", "keys"), OTHER.items(), ids=OTHER)
def test_the_folder_of_another_comparison_is_refused(study, tmp_path, key, keys):
    Plan(study()).check_folder()
    with pytest.raises(UserError) as error:
        Plan(study(**keys)).check_folder()
    assert f"runs/small: holds a comparison with another config ({key}" in str(error.value)
    assert "give this one another name" in str(error.value)


def test_results_of_another_config_are_refused_wherever_they_lie(study, tmp_path):
    kept = {"results": str(tmp_path / "kept"), "seeds": [1]}
    plan = Plan(study(**kept))
    plan.cells[1].write({"score": 1.0}, ENVIRONMENT)
    plan.finished()
    plan.cells[1].file.unlink()  # as in another checkout
    more = study(**kept, methods={"full": ["method=full"], "long": ["prompt.length=32"]})
    assert [line["cell"]["method"] for line in Plan(more).finished().values()] == ["full"]
    for other in ({"limit": {"train": 3}}, {"methods": {"full": ["method=full", "optim.clip=0"]}}, {"rates": [0.1]}):
        with pytest.raises(
            UserError, match=r"results.jsonl: holds results of another config for 'topics full 1'; remove"
        ):
            Plan(study(**kept, **other)).finished()
