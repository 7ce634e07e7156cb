"""The study that processes share: who runs which trial, and what a folder must hold."""

import pytest
import yaml
from optuna.trial import TrialState

from ptv2.errors import UserError
from ptv2.train.search.plan import make_plan
from ptv2.train.search.study import SharedStudy


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "one.yaml"
    values = {"task": "demo/bbc_topic", "backbone": {"name": "some/model"}, "run": {"folder": str(tmp_path / "runs")}}
    path.write_text(yaml.safe_dump(values))
    return make_plan(path, space=["prompt.length=2,4,8"], sampler="grid")


def test_trials_are_handed_out_once(plan):
    study = SharedStudy(plan)
    claims = [study.claim() for _ in range(3)]
    assert [(claim.number, claim.params["prompt.length"], claim.resumed) for claim in claims] == [
        (0, "2", False), (1, "4", False), (2, "8", False),
    ]  # fmt: skip


def test_a_trial_that_its_process_left_is_taken_over(plan):
    left = SharedStudy(plan)
    assert left.claim().number == 0
    left.claims.file.close()  # as the process's end does
    study = SharedStudy(plan)
    claim = study.claim()
    assert (claim.number, claim.resumed, claim.params) == (0, True, {"prompt.length": "2"})
    study.tell(0, TrialState.COMPLETE, 0.5)
    assert study.claim().number == 1
    assert [trial.value for trial in study.trials()] == [0.5, None]


def test_a_score_is_kept_of_trials_that_ran_to_their_end_alone(plan):
    study = SharedStudy(plan)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL):
        number = study.claim().number
        study.reporter(number)(1, 0.25)
        study.tell(number, state, 0.5, reason=None if state == TrialState.COMPLETE else "why")
    assert [trial.value for trial in study.trials()] == [0.5, 0.25, None]
    assert [trial.user_attrs.get("reason") for trial in study.trials()] == [None, "why", "why"]
    assert study.claim() is None


def test_a_validation_that_a_resumed_run_repeats_is_reported_once(plan, recwarn):
    study = SharedStudy(plan)
    number = study.claim().number
    study.reporter(number)(1, 0.25)
    again = study.reporter(number)
    again(1, 0.75)
    again(2, 0.5)
    assert study.trials()[0].intermediate_values == {1: 0.25, 2: 0.5} and not list(recwarn)


def test_a_line_that_a_full_disk_cut_off_is_dropped(plan):
    study = SharedStudy(plan)
    study.claim()
    journal = plan.folder / "study.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"wor')
    study.claims.file.close()
    assert SharedStudy(plan).claim().number == 0 and journal.read_bytes().startswith(whole + b'{"op_code":8')


def test_a_journal_that_is_none_is_named(plan):
    SharedStudy(plan).claims.file.close()
    (plan.folder / "study.jsonl").write_text("no journal\nat all\n")
    with pytest.raises(UserError, match=r"study.jsonl: cannot be read .*; restore it, or choose another run.name"):
        SharedStudy(plan)


def test_rows_are_those_that_the_search_began_with(plan):
    study = SharedStudy(plan)
    study.check_rows({"a": {"train": "1", "validation": "2"}})
    study.check_rows({"a": {"train": "1", "validation": "2"}})
    with pytest.raises(UserError, match=r"the rows of a.validation are not those that the search began with"):
        study.check_rows({"a": {"train": "1", "validation": "3"}})


def test_a_folder_of_something_else_is_left_alone(plan):
    plan.folder.mkdir(parents=True)
    (plan.folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty and is no search"):
        SharedStudy(plan)
    assert not (plan.folder / "search.yaml").exists()
