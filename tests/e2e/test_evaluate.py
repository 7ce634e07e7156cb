"""Scores say what they are of: of which rows, between which ends, beside which trivial answer."""

import json
import shutil

import pytest


def read(path):
    return json.loads(path.read_text())


def words(text):
    return [" ".join(line.replace("│", " ").replace("|", " ").split()) for line in text.splitlines()]


@pytest.fixture
def limited(ptv2, write_config, tmp_path):
    """A run on some of the rows, texts cut, of which one training row is bad."""

    def run(*more):
        keys = {"data": {"batch_size": 8, "limit": {"train": 40, "test": 6}}}
        return ptv2("fit", "--config", write_config(**keys), "task.max_length=5", "trainer.max_epochs=1", *more), (
            tmp_path / "runs" / "topics"
        )

    return run


def test_results_say_how_many_rows_there_are_and_what_was_cut(limited):
    said, folder = limited()
    results = read(folder / "results.json")
    data = results["data"]["topics"]
    assert [(split, data[split]["rows"], data[split]["of"]) for split in data] == [
        ("train", 40, 48), ("validation", 16, 16), ("test", 6, 16)
    ]  # fmt: skip
    assert 0 < data["test"]["cut"] <= 6 and "max_length=5 and were cut" in data["test"]["notices"][0]
    assert data["test"]["bad"] == 0 and results["baseline_answer"] == {"topics": "the commonest label"}
    low, high = results["intervals"]["test"]["topics"]["accuracy"]
    assert 0 <= low <= results["scores"]["test"]["topics"]["accuracy"] <= high <= 1 and low < high
    table = words(said.out)
    row = next(line for line in table if line.startswith("topics accuracy test"))
    assert row.startswith(f"topics accuracy test 6 of 16 {results['scores']['test']['topics']['accuracy']:.4f} ")
    assert f"{low:.4f} to {high:.4f}" in row
    assert any(
        line.startswith("topics: trained on 40 of 48 rows; the trivial answer is the commonest") for line in table
    )
    card = words((folder / "prompt" / "README.md").read_text())
    assert any(line.startswith("topics test 6 of 16 accuracy") for line in card)
    assert any("trained on 40 of 48 rows" in line and "test: " in line for line in card)


def test_bad_rows_that_were_left_out_are_counted(ptv2, write_config, cards, tmp_path):
    mine = shutil.copytree(cards["topics"].with_suffix(""), tmp_path / "mine")
    with (mine / "test.jsonl").open("a") as file:
        file.write('{"text": "", "label": "fruit"}\n')
    more = (f"task.dataset.path={mine}", "task.on_bad_row=skip", "task.bad_row_limit=3", "trainer.max_epochs=1")
    said = ptv2("fit", "--config", write_config(), *more)
    about = read(tmp_path / "runs" / "topics" / "results.json")["data"]["topics"]["test"]
    assert (about["rows"], about["of"], about["bad"]) == (16, 17, 1)
    assert "1 bad test rows left out" in said.out
    said = ptv2("evaluate", "--artifact", tmp_path / "runs" / "topics", "--json")
    assert json.loads(said.out)["baseline"]["accuracy"] == 0.5  # the same rows, so the same trivial answer


@pytest.mark.parametrize(
    ("more", "splits", "rows"),
    [
        ((), ["test"], [16]),
        (("--limit", "5"), ["test"], [5]),
        (("--split", "validation", "--limit", "4"), ["validation"], [4]),
        (("--split", "validation", "--split", "test"), ["validation", "test"], [16, 16]),
    ],
)
def test_the_split_and_the_number_of_rows_are_chosen(ptv2, finished, more, splits, rows):
    said = ptv2("evaluate", "--artifact", finished("topics"), "--json", *more)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    found = found if isinstance(found, list) else [found]
    assert [one["split"] for one in found] == splits and [one["rows"] for one in found] == rows
    results = read(finished("topics") / "results.json")
    for one in found:
        assert one["of"] == 16 and one["trained_on"] == {"topics": {"rows": 48, "of": 48}}
        if one["rows"] == 16:
            assert one["scores"] == results["scores"][one["split"]]["topics"]
            assert one["intervals"] == results["intervals"][one["split"]]["topics"]
            assert one["baseline"] == results["baseline"]["topics"][one["split"]]
            assert one["baseline_answer"] == "the commonest label"
        else:
            assert (one["baseline"], one["baseline_answer"]) == ({}, None)  # those rows were not scored by the run


def test_the_rows_of_a_file_are_scored(ptv2, finished, cards, tmp_path):
    test = cards["topics"].with_suffix("") / "test.jsonl"
    (tmp_path / "mine.csv").write_text(
        "text,label\n"
        + "".join("{text},{label}\n".format(**json.loads(line)) for line in test.read_text().splitlines())
    )
    argv = ("evaluate", "--artifact", finished("topics"), "--json")
    whole = json.loads(ptv2(*argv).out)
    for rows in (tmp_path / "mine.csv", test, test.parent):
        said = ptv2(*argv, "--input", rows)
        assert said.code == 0 and json.loads(said.out)["scores"] == whole["scores"], said.err
        made = json.loads(said.out)
        assert made["input"] == str(rows) and ("split" in made) == rows.is_dir() and "input" not in whole
    said = ptv2(*argv[:-1], "--input", test)
    assert f"topics, {test}, {whole['rows']} rows" in " ".join(said.out.split())
    said = ptv2(*argv, "--input", tmp_path / "none.csv")
    assert said.code == 2 and "none.csv" in said.err and len(said.err.splitlines()) == 1


def test_the_own_card_of_an_artifact_may_be_one_of_a_group(ptv2, write_config, cards, tmp_path, monkeypatch):
    folder = tmp_path / "cards" / "shop"
    folder.mkdir(parents=True)
    shutil.copy(cards["topics"], folder / "topics.yaml")
    monkeypatch.setenv("PTV2_TASKS", str(folder.parent))
    config = write_config(run={"folder": str(tmp_path / "runs")})
    assert ptv2("fit", "--config", config, "task=shop/topics", "trainer.max_epochs=1").code == 0
    said = ptv2("evaluate", "--artifact", tmp_path / "runs" / "topics", "--json")
    assert said.code == 0, said.err
    assert (
        json.loads(said.out)["scores"]
        == read(tmp_path / "runs" / "topics" / "results.json")["scores"]["test"]["topics"]
    )


def test_several_artifacts_stand_in_one_table_and_one_file(ptv2, finished, tmp_path):
    both = ("--artifact", finished("topics"), "--artifact", finished("names"))
    said = ptv2("evaluate", *both, "--json", tmp_path / "scores.json")
    assert said.code == 0, said.err
    first, second = read(tmp_path / "scores.json")
    assert (first["task"], second["task"]) == ("topics", "names")
    assert "span_f1" in said.out and "macro_f1" in said.out and "trained on 48 rows" in said.out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--json", "scores.txt"), "error: --json: is 'scores.txt'; give a file that ends in .json"),
        (("--json", "nowhere/scores.json"), "error: nowhere/scores.json: No such file or directory; name another"),
        (
            ("task.dataset.data_files={test: null}",),
            "error: topics.dataset: has no rows for test; name its file in the",
        ),
        (("--limit", "0"), "error: command line: argument --limit: '0' is not a whole number from 1"),
        (("--split", "dev"), "error: command line: argument --split: invalid choice: 'dev'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(ptv2, finished, more, says):
    said = ptv2("evaluate", "--artifact", finished("topics"), *more)
    assert said.code == 2 and said.err.startswith(says) and len(said.err.splitlines()) == 1
