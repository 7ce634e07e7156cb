"""Each cell is run once in a process of its own; what goes wrong in one leaves the others alone."""

import json
from collections import Counter

import pytest
import toy_cells

from ptv2.errors import UserError
from ptv2.study.cell import Cell, Lines
from ptv2.study.claim import take
from ptv2.study.pool import run_cells
from ptv2.study.script import finish, unfinished


@pytest.fixture
def cells(tmp_path):
    def make(*works):
        settings = {"marks": str(tmp_path / "marks")}
        return [Cell({"number": i}, tmp_path / f"cell-{i}", work, settings) for i, work in enumerate(works)]

    return make


@pytest.fixture
def run(tmp_path):
    """`run(cells, jobs)`: how each cell went, why some failed, and how often each was begun."""

    def do(made, jobs=1):
        lines, went = Lines(tmp_path / "results.jsonl"), {}
        failed = run_cells(lambda: unfinished(lines, made), jobs, lambda cell, out: went.update({cell.name: out.word}))
        marks = tmp_path / "marks"
        return went, failed, Counter(marks.read_text().split() if marks.is_file() else [])

    return do


def test_two_at_a_time_run_each_cell_once(cells, run):
    made = cells(*[toy_cells.slow] * 5)
    went, failed, begun = run(made, jobs=2)
    assert went == {str(i): "finished" for i in range(5)} and failed == {}
    assert begun == {str(i): 1 for i in range(5)}
    went, _, begun = run(made, jobs=2)
    assert went == {} and set(begun.values()) == {1}  # again: nothing is left


def test_a_finished_cell_is_a_line_with_its_scores_and_the_machine(cells, run, tmp_path):
    run(cells(toy_cells.count, toy_cells.count))
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["cell"] for line in lines] == [{"number": 0}, {"number": 1}]
    assert [line["scores"] for line in lines] == [{"score": 0}, {"score": 1}]
    assert {"versions", "cpu", "threads"} <= lines[0]["environment"].keys()


def test_a_cell_that_fails_says_why_and_the_others_go_on(cells, run, tmp_path):
    made = cells(toy_cells.refuse, toy_cells.break_down, toy_cells.die, toy_cells.count)
    went, failed, begun = run(made)
    assert went == {"0": "failed", "1": "failed", "2": "failed", "3": "finished"}
    assert failed["0"] == "task: has no rows"
    assert failed["1"] == f"TypeError: a defect (traceback in {tmp_path / 'cell-1.log'})"
    assert failed["2"] == f"its process was killed (SIGKILL); see {tmp_path / 'cell-2.log'}"
    assert "in break_down" in (tmp_path / "cell-1.log").read_text()
    assert begun["0"] == 1  # not tried again in this run
    assert not list(tmp_path.glob("cell-[013].claim"))


def test_a_failed_cell_is_tried_again_by_the_next_run(cells, run):
    made = cells(toy_cells.refuse)
    run(made)
    assert run(made)[2]["0"] == 2


def test_a_line_from_elsewhere_counts_as_finished(cells, run, tmp_path):
    line = {"cell": {"number": 0}, "scores": {"score": 7}, "environment": {}}
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n")
    went, _, begun = run(cells(toy_cells.count, toy_cells.count))
    assert went == {"1": "finished"} and begun == {"1": 1}
    assert json.loads((tmp_path / "results.jsonl").read_text().splitlines()[0]) == line


def test_a_claimed_cell_is_left_to_its_holder(cells, run, tmp_path, capfd, monkeypatch):
    made = cells(toy_cells.count)
    claim = take(made[0].claim)  # as this process, which lives

    def finish_elsewhere(_seconds):
        made[0].write({"score": 5}, {})
        claim.release()

    monkeypatch.setattr("ptv2.study.pool.time.sleep", finish_elsewhere)
    went, failed, begun = run(made)
    assert (went, failed, begun) == ({}, {}, Counter())
    assert "0: waiting for process" in capfd.readouterr().out
    assert "5" in (tmp_path / "results.jsonl").read_text()


def test_a_script_ends_with_2_where_a_cell_failed(cells, tmp_path, capfd):
    with pytest.raises(SystemExit) as end:
        finish(Lines(tmp_path / "results.jsonl"), cells(toy_cells.refuse, toy_cells.count))
    said = capfd.readouterr()
    assert end.value.code == 2
    assert (said.err, said.out) == ("0: failed (task: has no rows)\n", "1: finished\n")


@pytest.mark.parametrize("text", ["{", "3", '{"cell": 1}', '{"cell": {}, "scores": {}}'])
def test_a_damaged_line_is_named(tmp_path, text):
    (tmp_path / "results.jsonl").write_text(text + "\n")
    with pytest.raises(UserError, match=r"results.jsonl:1: not the results of a cell"):
        Lines(tmp_path / "results.jsonl").read()
