"""Runs beside each other: what they scored, on which rows, with what settings, and how sure a difference is."""

import csv
import io
import json
import shutil

import pytest
import yaml


@pytest.fixture
def copy(finished, tmp_path):
    """`copy("b", seed=2, lr=0.1, accuracy=0.5)`: the finished run under another name, with these values."""

    def make(name, seed=11, right=None, finished_=True, **results):
        folder = shutil.copytree(finished("topics"), tmp_path / name)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["seed"], config["run"]["name"] = seed, name
        config["optim"]["lr"] = results.pop("lr", config["optim"]["lr"])
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        made = json.loads((folder / "results.json").read_text()) | {"name": name, "seed": seed} | results
        if right is not None:  # of the 16 test rows
            made["scores"]["test"]["topics"] = {"accuracy": right / 16}
            scored = json.loads((folder / "scored" / "topics.test.json").read_text())
            other = {"animal": "fruit", "fruit": "animal"}
            gold = scored["references"]
            scored["predictions"] = [name if i < right else other[name] for i, name in enumerate(gold)]
            (folder / "scored" / "topics.test.json").write_text(json.dumps(scored))
        (folder / "results.json").write_text(json.dumps(made))
        if not finished_:
            (folder / "results.json").unlink()
        return folder

    return make


def shown(said):
    assert said.code == 0 and said.err == "", said
    return [" ".join(line.replace("│", " ").split()) for line in said.out.splitlines()]


def read(ptv2, *argv):
    said = ptv2("compare", *argv, "--json")
    assert said.code == 0 and said.err == "", said
    return json.loads(said.out)


def test_runs_stand_beside_each_other_and_beside_the_baseline(ptv2, finished, copy):
    first, head = finished("topics"), copy("probe", right=4, method="head")
    lines = shown(ptv2("compare", first, head, finished("names")))
    results = json.loads((first / "results.json").read_text())
    score, baseline = (results["scores"]["test"]["topics"], results["baseline"]["topics"]["test"])
    line = next(line for line in lines if line.startswith("topics (deep) topics test accuracy"))
    assert line.startswith(f"topics (deep) topics test accuracy 16 {score['accuracy']:.4f}")
    assert line.endswith(f"0.02 4 48 {results['wall_seconds']:.0f} 11 418")  # lr, P, rows, seconds, seed, parameters
    probe = next(line for line in lines if line.startswith("probe (head) topics test accuracy 16 0.2500 "))
    assert f"{0.25 - score['accuracy']:+.4f} [" in probe
    assert any(
        line.startswith(f"trivial baseline topics test accuracy 16 {baseline['accuracy']:.4f}") for line in lines
    )
    assert any(line.startswith("names (deep) names test span_f1") for line in lines)
    assert any(line.startswith("topics: differences are to topics, paired by row and seed") for line in lines)
    assert lines[-1] == f"curves: tensorboard --logdir {first.parent}"


def test_the_trivial_baseline_of_each_line_is_known_and_said(ptv2, copy):
    """Each seed may draw other training rows, and so may have another commonest label."""
    trivial = [{"topics": {"test": {"accuracy": value}}} for value in (0.2, 0.3, 0.5)]
    folders = [copy(f"a-{seed}", seed=seed, baseline=held) for seed, held in enumerate(trivial[:2])]
    folders.append(copy("b", lr=0.3, baseline=trivial[2]))
    one, two = read(ptv2, *folders)
    assert (one["baseline"], one["baseline_answer"]) == (0.25, "the commonest label")
    assert one["baseline_std"] == pytest.approx(0.0707107) and (two["baseline"], two["baseline_std"]) == (0.5, None)
    lines = shown(ptv2("compare", *folders))
    assert any(line.startswith("trivial baseline topics test accuracy 16 0.2500 ± 0.0707") for line in lines)
    assert "topics: the trivial baseline is the commonest label" in lines
    assert "topics: b saw other training rows, whose trivial baseline has 0.5000" in lines


def test_runs_that_differ_in_their_seed_alone_are_one_line(ptv2, copy):
    folders = [copy("a-1", seed=1, right=8), copy("a-2", seed=2, right=12), copy("b-1", seed=1, right=16, lr=0.3)]
    folders.append(copy("a-again", seed=1, right=4))  # the same seed twice is no group
    one, two, three = read(ptv2, *folders)
    assert (one["run"], one["seeds"], one["score"]) == ("a (2 seeds)", [1, 2], 0.625)
    assert one["score_std"] == pytest.approx(0.1767767) and one["folders"] == [str(path) for path in folders[:2]]
    assert (two["run"], two["seeds"], two["lr"], two["score_std"]) == ("b-1", [1], 0.3, None)
    assert (three["run"], three["score"]) == ("a-again", 0.25)
    assert (one["difference"], two["difference"]) == (None, 0.5)  # 16 and 8 of 16, with the seed that both have
    lines = shown(ptv2("compare", *folders))
    assert any(line.startswith("a (2 seeds) (deep) topics test accuracy 16 0.6250 ± 0.1768") for line in lines)


def test_runs_of_unlike_seeds_are_not_paired_by_their_order(ptv2, copy):
    first, *others = copy("a-3", seed=3, right=8), copy("b-1", seed=1, right=4, lr=0.3), copy("b-2", seed=2, lr=0.3)
    _, line = read(ptv2, first, *others)
    assert line["seeds"] == [1, 2] and line["difference"] is None
    _, line = read(ptv2, first, others[0])  # single runs are compared row by row, and the line says so
    assert (line["difference"], line["paired_seeds"]) == (-0.25, [])
    _, line = read(ptv2, copy("a-1", seed=1, right=8), *others)
    assert (line["difference"], line["paired_seeds"]) == (-0.25, [1])


def test_runs_of_one_name_are_told_apart_by_their_folders(ptv2, copy, tmp_path):
    first = copy("a", right=8)
    second = shutil.copytree(first, tmp_path / "copies" / "a")
    assert [line["run"] for line in read(ptv2, first, second)] == [str(first), str(second)]


def test_a_run_without_a_test_score_is_not_beside_one_with(ptv2, finished, copy):
    data = json.loads((finished("topics") / "results.json").read_text())
    scores = {"validation": data["scores"]["validation"]}
    one, two = read(ptv2, finished("topics"), copy("b", lr=0.3, scores=scores))
    assert (one["other_rows"], two["other_rows"], two["split"]) == (False, True, "validation")


@pytest.mark.parametrize(("right", "sure"), [((8, 8), False), ((4, 16), True)])
def test_a_difference_that_the_rows_leave_no_doubt_of_is_marked(ptv2, copy, right, sure):
    folders = copy("a", right=right[0]), copy("b", right=right[1], lr=0.3)
    _, line = read(ptv2, *folders)
    assert line["difference"] == pytest.approx((right[1] - right[0]) / 16) and (line["low"] > 0) == sure
    row = next(row for row in shown(ptv2("compare", *folders)) if row.startswith("b (deep)"))
    assert ("]*" in row) == sure


def test_unfinished_runs_are_shown_as_such(ptv2, finished, copy):
    begun = copy("begun", lr=0.3, finished_=False)
    done, line = read(ptv2, finished("topics"), begun)
    assert (done["state"], line["state"]) == ("finished", "unfinished, step 12")
    assert (line["run"], line["score"], line["lr"], line["P"], line["metric"]) == ("begun", None, 0.3, 4, "accuracy")
    logged = [json.loads(text) for text in (begun / "metrics.jsonl").read_text().splitlines()]
    assert line["validation"] == max(x["validation/topics/accuracy"] for x in logged if "validation/score" in x)
    row = next(row for row in shown(ptv2("compare", begun)) if row.startswith("begun (deep) [unfinished, step 12]"))
    assert " - " in row


def test_other_test_rows_are_flagged(ptv2, finished, copy):
    results = json.loads((finished("topics") / "results.json").read_text())
    changed = {"rows": {"topics": results["rows"]["topics"] | {"test": "other"}}, "lr": 0.3}
    folders = finished("topics"), copy("other", right=8, **changed)
    same, other = read(ptv2, *folders)
    assert (same["other_rows"], other["other_rows"], other["difference"]) == (False, True, None)
    text = "\n".join(shown(ptv2("compare", *folders)))
    assert (
        "16 (other rows)" in text and "topics: other scored on other test rows than the first: do not compare" in text
    )


def test_seeds_of_other_rows_are_no_group(ptv2, finished, copy):
    results = json.loads((finished("topics") / "results.json").read_text())
    changed = {"rows": {"topics": results["rows"]["topics"] | {"test": "other"}}}
    one, two = read(ptv2, copy("a-1", seed=1, right=8), copy("a-2", seed=2, right=12, **changed))
    assert (one["seeds"], two["seeds"], one["score_std"], two["other_rows"]) == ([1], [2], None, True)


@pytest.mark.parametrize(
    ("dataset", "split"),
    [
        ({"data_files": {"train": "a", "test": "b"}}, "test"),
        ({"data_files": {"train": "a"}}, "validation"),
        ({"data_files": {"train": "a"}, "splits": {"test": "train[90%:]"}}, "test"),
        ({"data_files": {"train": "a"}, "splits": {"test": None}}, "validation"),
    ],
)
def test_an_unfinished_run_names_the_split_that_it_will_be_scored_on(ptv2, copy, dataset, split):
    begun = copy("begun", finished_=False)
    config = yaml.safe_load((begun / "config.yaml").read_text())
    config["tasks"]["topics"]["dataset"] = {"path": "json"} | dataset
    (begun / "config.yaml").write_text(yaml.safe_dump(config))
    (line,) = read(ptv2, begun)
    assert line["split"] == split


@pytest.mark.parametrize(
    ("column", "names"),
    [(None, ["a", "b", "c"]), ("score", ["b", "c", "a"]), ("lr", ["c", "b", "a"]), ("run", ["a", "b", "c"])]
    + [(column, ["a", "b", "c"]) for column in ("P", "train rows", "seeds")],
)
def test_lines_are_sorted_by_a_column(ptv2, copy, column, names):
    values = {"a": (4, 0.3), "b": (12, 0.2), "c": (8, 0.1)}
    folders = [copy(name, right=right, lr=lr) for name, (right, lr) in values.items()]
    sort = ("--sort", column) if column else ()
    assert [line["run"] for line in read(ptv2, *folders, *sort)] == names


def test_the_same_lines_as_csv_and_as_markdown(ptv2, finished, copy):
    folders = finished("topics"), copy("b", right=8, lr=0.3)
    lines = read(ptv2, *folders)
    table = list(csv.DictReader(io.StringIO(ptv2("compare", *folders, "--csv").out)))
    assert [row["run"] for row in table] == ["topics", "b"] and list(table[0]) == list(lines[0])
    assert float(table[1]["score"]) == 0.5 and table[1]["seeds"] == "11" and table[0]["difference"] == ""
    text = ptv2("compare", *folders, "--markdown").out
    assert text.startswith("# Runs\n\n| run | task |") and "| b (deep) | topics | test accuracy | 16 | 0.5000 |" in text


def test_what_is_no_run_is_left_out_beside_runs(ptv2, finished, tmp_path):
    (tmp_path / "notes").mkdir()
    said = ptv2("compare", finished("topics"), tmp_path / "notes")
    assert said.code == 0 and said.err == f"warning: {tmp_path}/notes: not a run folder, left out\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--config", "study.yaml", "--json"], "--json is for folders of runs; leave it out"),
        (["--config", "study.yaml", "--sort", "score"], "--sort is for folders of runs; leave it out"),
        (["run", "--table"], "--table is for a study; leave it out, or give --config FILE"),
        (["--config", "study.yaml", "--print"], "--print is for jobs; leave it out, or give --slurm N"),
        (["run", "--time", "1:00:00"], "--time is for jobs; leave it out, or give --slurm N"),
        (["run", "--jobs", "2"], "--jobs is for a study; leave it out, or give --config FILE"),
    ],
)
def test_options_of_runs_and_of_studies_are_not_mixed_up(ptv2, argv, said):
    done = ptv2("compare", *argv)
    assert done.code == 2 and done.err.startswith(f"error: command line: {said}")


def test_what_is_no_finished_run(ptv2, finished, tmp_path):
    said = ptv2("compare", tmp_path)
    assert said.code == 2
    assert said.err == f"error: {tmp_path}: no results.json here; give the folder of a finished run\n"
    above = finished("topics").parent
    assert f"no results.json here; give the folders in it: {above}/*" in ptv2("compare", above).err
    shutil.copytree(finished("topics"), tmp_path / "search" / "trials" / "0")
    assert f"give the folders in it: {tmp_path}/search/trials/*" in ptv2("compare", tmp_path / "search").err
    (tmp_path / "results.json").write_text("{")
    assert ptv2("compare", tmp_path).err.startswith(f"error: {tmp_path}/results.json: cannot be read")
    results = json.loads((finished("topics") / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps(results | {"scores": {}}))
    assert ptv2("compare", tmp_path).err.startswith(f"error: {tmp_path}: has no scores")
    for key, value in (("scores", "x"), ("scores", {"test": {}}), ("tasks", None), ("baseline", {}), ("parameters", 3)):
        (tmp_path / "results.json").write_text(json.dumps(results | {key: value}))
        said = f"error: {tmp_path}/results.json: these are not the results of a run; run it again with"
        assert ptv2("compare", tmp_path).err.startswith(said)
    assert ptv2("compare").code == 2


def test_a_damaged_config_is_named(ptv2, finished, copy):
    folder = copy("b")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"optim": None}))
    said = ptv2("compare", finished("topics"), folder)
    assert said.err == f"error: {folder}/config.yaml: 'optim' is no mapping; restore what the run wrote\n"


def test_results_of_an_older_version_are_shown(ptv2, finished, tmp_path):
    """They have no counts, and a copy of them may come without a config."""
    results = json.loads((finished("topics") / "results.json").read_text())
    for key in ("data", "intervals", "baseline_answer"):
        del results[key]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.json").write_text(json.dumps(results))
    (line,) = read(ptv2, tmp_path / "old")
    assert line["rows"] is None and line["lr"] is None and line["score"] is not None
    assert any(row.startswith("topics (deep) topics test accuracy") for row in shown(ptv2("compare", tmp_path / "old")))


def test_infinite_scores_are_shown_and_written_as_json_can(ptv2, finished, copy):
    scores = json.loads((finished("topics") / "results.json").read_text())["scores"]
    scores["test"]["topics"] = {"accuracy": float("inf")}
    (line,) = read(ptv2, copy("a-1", seed=1, scores=scores), copy("a-2", seed=2, scores=scores))
    assert line["score"] is None and line["score_std"] is None
