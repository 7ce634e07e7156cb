"""`ptv2.fit` and `ptv2.load`: what the commands do, from Python."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from scene import make_config, write_cards

import ptv2
from ptv2.commands import evaluate, predict, shell

PAGE = Path(__file__).parent.parent / "docs" / "python.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("api")


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return write_cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture(scope="module")
def results(folder, cards, tiny_bert):
    """Of a run that Python trained."""
    return ptv2.fit(make_config(folder, tiny_bert, cards["topics"]), {"optim.lr": 0.03, "run.name": "first"})


@pytest.fixture(scope="module")
def run(folder, results):
    return ptv2.load(folder / "runs" / "first")


@pytest.fixture(scope="module")
def rows(cards):
    return [json.loads(line) for line in (cards["topics"].parent / "topics" / "test.jsonl").read_text().splitlines()]


def test_fit_returns_what_the_run_wrote(folder, results):
    written = folder / "runs" / "first"
    assert json.loads((written / "results.json").read_text()) == results
    assert yaml.safe_load((written / "config.yaml").read_text())["optim"]["lr"] == 0.03


def test_fit_reads_the_results_of_a_finished_run(folder, results):
    assert ptv2.fit(folder / "topics.yaml", ["optim.lr=0.03", "run.name=first"]) == results


def test_fit_takes_a_mapping_and_leaves_it_as_it_was(folder, results):
    config = yaml.safe_load((folder / "topics.yaml").read_text())
    config["run"] |= {"name": "first"}
    before = json.dumps(config)
    assert ptv2.fit(config, {"optim.lr": 0.03}) == results
    assert json.dumps(config) == before


def test_fit_raises_what_the_command_says(folder, results):
    with pytest.raises(ptv2.UserError, match=r"unknown key 'optim\.warmpu'; did you mean 'warmup'\?"):
        ptv2.fit(folder / "topics.yaml", {"optim.warmpu": 0.03})


def test_predictions_are_those_that_the_command_prints(run, folder, rows, tmp_path, capsys):
    argv = ["--artifact", str(folder / "runs" / "first"), "--input", str(tmp_path / "rows.jsonl")]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    shell.run(predict.main, predict.command_line(), argv)
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert run.predict(rows) == run.predict(iter(rows)) == printed
    assert run.predict(rows[:3]) == printed[:3]  # nothing is left of the rows before


def test_what_it_holds_is_named(run, folder):
    assert (run.task, run.tasks, run.labels) == ("topics", ["topics"], ["animal", "fruit"])
    assert isinstance(run.artifact, ptv2.Artifact)


def test_scores_are_those_of_the_run(run, results, rows, cards):
    scores = results["scores"]
    assert run.score(rows) == scores["test"]["topics"]
    assert run.score(str(cards["topics"]), split="validation") == scores["validation"]["topics"]
    assert run.score(rows) == scores["test"]["topics"]  # the card's rows have left no trace


def test_a_score_is_of_the_whole_split_unless_it_is_limited(folder, cards, tiny_bert, results, capsys):
    ptv2.fit(folder / "topics.yaml", {"run.name": "limited", "data.limit.test": 5, "trainer.max_epochs": 1})
    argv = ["--artifact", str(folder / "runs" / "limited"), "--task", str(cards["topics"]), "--json"]
    for more, count in ((), 16), (("data.limit.test=7",), 7):
        capsys.readouterr()
        shell.run(evaluate.main, evaluate.command_line(), [*argv, *more])
        assert json.loads(capsys.readouterr().out)["rows"] == count


def test_no_rows_have_no_answers(run):
    assert run.predict([]) == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"title": "a"}, "row 1: field 'text' is missing, only title"),
        ({"text": {"a": 1}}, "row 1: field 'text' holds an object; name what to read of it, e.g. text.a"),
        ({"text": ""}, "row 1: field 'text' is empty"),
        ("a cat", "row 1: is str, not a mapping"),
        (
            {"text": "a", "task": "topic"},
            "row 1: unknown task 'topic'; did you mean 'topics'? (`task` or --task",
        ),
    ],
)
def test_a_row_that_cannot_be_used_is_named_or_left_out(run, row, says):
    rows = [{"text": "a cat", "id": 0}, row, {"text": "a fig", "id": "two"}]
    with pytest.raises(ptv2.UserError) as refused:
        run.predict(rows)
    assert str(refused.value).startswith(says)
    first, bad, last = run.predict(rows, on_bad_row="skip")
    assert (first["id"], bad, last["id"]) == (0, None, "two")
    assert (first["row"], last["row"]) == (0, 2)
    assert [first, last | {"row": 1}] == run.predict([rows[0], rows[2]])


@pytest.mark.parametrize("top", [0, -1, "all", 1.5, True])
def test_how_many_scores_is_a_number_or_none(run, top):
    with pytest.raises(ptv2.UserError, match=r"^top: is .*; give a number from 1, or None for all$"):
        run.predict([{"text": "a cat"}], top=top)


def test_rows_of_which_none_can_be_used_are_refused(run):
    for row in ({"title": "a"}, {"text": ""}, 3):
        with pytest.raises(ptv2.UserError, match=r"rows: none of the 2 rows can be used \(the first: row 0: "):
            run.predict([row, row], on_bad_row="skip")


def test_half_an_emoji_is_answered(run):
    broken, replaced = run.predict([{"text": "a cat \ud83d", "id": "\ude00"}, {"text": "a cat \ufffd", "id": "\ufffd"}])
    assert broken | {"row": 1} == replaced


def test_rows_with_a_wrong_answer_are_refused(run):
    with pytest.raises(ptv2.UserError, match="row 1: unknown label 'tool'"):
        run.score([{"text": "a cat", "label": "animal"}, {"text": "a cat", "label": "tool"}])
    with pytest.raises(ptv2.UserError, match="row 0: field 'label' is missing"):
        run.score([{"text": "a cat"}])


def test_a_door_does_not_hide_the_function():
    with pytest.raises(ImportError, match="python -m"):
        import_module("ptv2.fit")
    assert callable(ptv2.fit) and {"fit", "load"} <= set(dir(ptv2))
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = ptv2.fitt


def test_the_page_on_python_runs_as_it_stands(folder, cards, tiny_bert, results, tmp_path, monkeypatch, capsys):
    make_config(tmp_path, tiny_bert, cards["topics"], run={"folder": "runs"}, optim={"lr": 0.02})
    ptv2.fit(make_config(tmp_path, tiny_bert, cards["ratings"], run={"folder": str(tmp_path / "runs")}))
    (tmp_path / "topics.card.yaml").write_text(cards["topics"].read_text())
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S):
        exec(code, names)
    said = capsys.readouterr().out
    assert "topics ['animal', 'fruit']" in said and "['topics', 'ratings']" in said
    assert said.rstrip().endswith("unknown key 'optim.warmpu'; did you mean 'warmup'?")


@pytest.mark.parametrize("device", ["xx", "cuda:99", "", None])
def test_a_device_that_is_not_there_is_refused(device, tmp_path):
    with pytest.raises(ptv2.UserError, match=r"device '.*' cannot be used"):
        ptv2.load(tmp_path, device=device)
