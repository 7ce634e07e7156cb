"""`python -m ptv2.compare --config`: cells of a tiny backbone, run by real processes."""

import json
import signal
from pathlib import Path

import pytest
import yaml

HOLD = '''
"""Holds a run of seed 2 at its ninth step until it is let go, and notes the steps of every run."""
import os, time
from pathlib import Path
from lightning.pytorch.callbacks import Callback

class Hold(Callback):
    def on_train_batch_end(self, trainer, module, *_):
        here = Path(__file__).parent
        with (here / "steps").open("a") as file:
            file.write(f"{trainer.default_root_dir} {trainer.global_step}\\n")
        if module.config.seed == 2 and trainer.global_step == 9 and not (here / "go").exists():
            (here / "held").touch()
            time.sleep(600)
'''


@pytest.fixture
def study(tmp_path, tiny_bert, cards):
    """`study(seeds=[1])`: the file of a comparison of two methods on one task, of cells of 12 steps."""

    def write(**keys):
        values = {
            "folder": str(tmp_path / "runs"),
            "base": {
                "backbone": {"name": str(tiny_bert)},
                "prompt": {"length": 4},
                "head": {"pooling": "mean"},
                "optim": {"lr": 0.02},
                "data": {"batch_size": 8},
                "run": {"save_every": 2},
                "trainer": {"max_epochs": 2, "enable_progress_bar": False},
            },
            "methods": {"deep": ["method=deep"], "full": ["method=full"]},
            "tasks": {"topics": str(cards["topics"])},
            "seeds": [1, 2],
        } | keys
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    return write


def table_of(text):
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def results(run: Path):
    return json.loads((run / "results.json").read_text())


def results_rate(run: Path):
    return json.loads((run / "cell.json").read_text())["scores"]["rate"]


def begun_steps(folder: Path) -> dict[str, list[int]]:
    """The steps that each run noted, in the order in which they were made."""
    steps: dict[str, list[int]] = {}
    for line in (folder / "steps").read_text().splitlines():
        run, step = line.rsplit(" ", 1)
        steps.setdefault(Path(run).relative_to(folder / "runs" / "small").as_posix(), []).append(int(step))
    return steps


@pytest.fixture
def start(zygote):
    """`start("--config", file)`: the command in a process of its own, which starts others for its cells."""
    return lambda *words: zygote("compare", words)


def test_the_rate_of_the_table_is_the_one_that_a_run_chose_itself(ptv2, study, tmp_path):
    said = ptv2("compare", "--config", study(methods={"own": ["optim.lr=auto"], "full": ["method=full"]}, seeds=[1]))
    assert said.code == 0, said
    own, full = table_of(said.out)
    config = yaml.safe_load((tmp_path / "runs" / "small" / "own" / "topics" / "1" / "config.yaml").read_text())
    assert float(own["rate"]) == config["optim"]["lr"] != 0.005
    assert float(full["rate"]) == 0.02


def test_a_comparison_ends_with_a_table_of_all_methods(ptv2, study, tmp_path):
    said = ptv2("compare", "--config", study(rates={"deep": [0.01, 0.03], "full": [0.003, 0.01]}), "--jobs", 2)
    assert said.code == 0, said
    folder = tmp_path / "runs" / "small"
    deep, full, *means = table_of(said.out)
    assert (deep["task"], deep["method"], full["method"], means) == ("topics", "deep", "full", [])
    for row, method in ((deep, "deep"), (full, "full")):
        cells = [results(folder / method / "topics" / seed) for seed in ("1", "2")]
        scores = [cell["scores"]["test"]["topics"]["accuracy"] for cell in cells]
        assert row["score"].startswith(f"{sum(scores) / 2:.3f}") and row["seeds"] == "2"
        trained = sum(part["trainable"] for part in cells[0]["parameters"].values())
        assert row["trainable"] == f"{trained:,}" and row["metric"] == "accuracy"
        assert float(row["overhead"].split()[0]) > 0 and row["forgetting"] == "-" and row["memory"].endswith("MB")
        trials = [
            json.loads((folder / method / "topics" / f"rate-{r}" / "cell.json").read_text()) for r in row_rates(method)
        ]
        best = max(trials, key=lambda line: line["scores"]["validation"])["cell"]["rate"]
        assert float(row["rate"]) == best
        for seed in ("1", "2"):
            config = yaml.safe_load((folder / method / "topics" / seed / "config.yaml").read_text())
            assert config["optim"]["lr"] == best
    assert full["difference to full"] == "-" and deep["difference to full"].endswith("]")
    for name in ("table.md", "table.csv", "table.jsonl", "figure.svg", "results.jsonl", "study.yaml"):
        assert (folder / name).is_file()
    assert not list(folder.glob("*/*/*/checkpoints")) and not list(folder.glob("*/*/*.claim"))

    before = {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}
    again = ptv2("compare", "--config", tmp_path / "small.yaml", "--table")
    assert again.code == 0 and table_of(again.out) == table_of(said.out)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")} == before


def row_rates(method):
    return {"deep": (0.01, 0.03), "full": (0.003, 0.01)}[method]


def test_trials_read_no_test_rows_and_the_cells_read_them_once(ptv2, study, tmp_path):
    assert ptv2("compare", "--config", study(rates=[0.01, 0.02], seeds=[1], methods={"deep": None})).code == 0
    folder = tmp_path / "runs" / "small" / "deep" / "topics"
    for trial in ("rate-0.01", "rate-0.02"):
        found = results(folder / trial)
        assert set(found["rows"]["topics"]) == {"train", "validation"} and set(found["scores"]) == {"validation"}
    assert set(results(folder / "1")["scores"]) == {"validation", "test"}


def test_a_rate_that_is_added_runs_its_trials_and_the_cells_that_it_wins(ptv2, study, tmp_path):
    methods = {"deep": None, "head": ["method=head"]}
    assert ptv2("compare", "--config", study(rates=[0.01, 0.02], seeds=[1], methods=methods)).code == 0
    folder = tmp_path / "runs" / "small"
    for method, more in (("deep", -2), ("head", 2)):  # on the scores of the old trials: the new one wins, and loses
        for file in (folder / method / "topics").glob("rate-*/cell.json"):
            line = json.loads(file.read_text())
            file.write_text(json.dumps(line | {"scores": {"validation": line["scores"]["validation"] + more}}))
    old = {method: results_rate(folder / method / "topics" / "1") for method in methods}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}

    said = ptv2("compare", "--config", study(rates=[0.01, 0.02, 0.03], seeds=[1], methods=methods))
    assert said.code == 0, said
    assert [line for line in said.out.splitlines() if line.endswith(": finished")] == [
        "topics deep 1 rate=0.03: finished",
        "topics deep 1: finished",
        "topics head 1 rate=0.03: finished",
    ]
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}
    again = folder / "deep" / "topics" / "1" / "results.json"
    assert {path for path in before if after[path] != before[path]} == {again} and len(after) == len(before) + 2
    assert {row["method"]: float(row["rate"]) for row in table_of(said.out)} == {"deep": 0.03, "head": old["head"]}
    assert sorted(path.name for path in (folder / "deep" / "topics").iterdir() if path.is_dir()) == [
        "1",
        "rate-0.01",
        "rate-0.02",
        "rate-0.03",
    ]


def test_a_killed_comparison_resumes_and_runs_no_cell_twice(ptv2, study, start, tmp_path):
    (tmp_path / "hold.py").write_text(HOLD)
    file = study(methods={"deep": ["run.callbacks.hold={path: hold.Hold}"]}, **{"import": [str(tmp_path / "hold.py")]})
    killed = start("--config", file)
    try:
        killed.until(lambda: (tmp_path / "held").exists())
    finally:
        killed.signal(signal.SIGKILL, group=True)
        killed.wait()
    first, second = (tmp_path / "runs" / "small" / "deep" / "topics" / seed for seed in "12")
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file()}
    assert (first / "cell.json").is_file() and not (second / "cell.json").exists()
    assert second.with_name("2.claim").is_file()  # its holder was killed

    (tmp_path / "go").touch()
    said = ptv2("compare", "--config", file)
    assert said.code == 0 and "topics deep 2: finished" in said.out and "topics deep 1" not in said.out
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*") if path.is_file()} == before
    steps = begun_steps(tmp_path)
    assert steps["deep/topics/1"] == list(range(1, 13))
    assert steps["deep/topics/2"] == [*range(1, 10), *range(9, 13)]  # from the checkpoint of step 8
    assert not second.with_name("2.claim").exists()


@pytest.mark.slow  # imports the libraries in several processes
def test_two_comparisons_at_once_divide_the_cells(study, start, tmp_path):
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "go").touch()
    holding = "run.callbacks.hold={path: hold.Hold}"
    file = study(
        methods={"deep": [holding], "head": [holding, "method=head"]}, **{"import": [str(tmp_path / "hold.py")]}
    )
    both = [start("--config", file) for _ in range(2)]
    said = [process.wait() for process in both]
    assert [ended.code for ended in said] == [0, 0], said
    finished = [line for ended in said for line in ended.out.splitlines() if line.endswith(": finished")]
    assert sorted(finished) == [f"topics {method} {seed}: finished" for method in ("deep", "head") for seed in "12"]
    assert all(steps == list(range(1, 13)) for steps in begun_steps(tmp_path).values())
    first, second = (table_of(ended.out) for ended in said)
    assert first == second and [row["seeds"] for row in first] == ["2", "2"]  # both wait for the other's cells


@pytest.mark.slow  # imports the libraries in several processes
def test_a_stopped_comparison_saves_what_it_runs(study, start, tmp_path):
    (tmp_path / "hold.py").write_text(HOLD.replace("time.sleep(600)", "time.sleep(3)").replace("== 9", ">= 2"))
    file = study(
        seeds=[2], methods={"deep": ["run.callbacks.hold={path: hold.Hold}"]}, **{"import": [str(tmp_path / "hold.py")]}
    )
    process = start("--config", file)
    process.until(lambda: (tmp_path / "held").exists())
    process.signal(signal.SIGTERM)
    ended = process.wait()
    assert ended.code == 75 and "stopped by SIGTERM" in ended.err
    run = tmp_path / "runs" / "small" / "deep" / "topics"
    assert not (run / "2.claim").exists() and not (run / "2" / "results.json").exists()
    assert list((run / "2" / "checkpoints").glob("step-*.ckpt"))


def test_a_failed_cell_is_one_line_and_the_table_says_that_it_is_missing(ptv2, study, tmp_path):
    methods = {"deep": None, "long": ["prompt.length=40", "prompt.position_offset=true"]}
    said = ptv2("compare", "--config", study(methods=methods, seeds=[1]))
    assert said.code == 2
    (failed,) = [line for line in said.err.splitlines() if "long" in line and not line.startswith("error")]
    assert failed.startswith(
        "topics long 1: failed (tasks.topics.max_length: 24 tokens + 40 prompt positions do not fit"
    )
    assert said.err.splitlines()[-1].startswith(
        f"error: {tmp_path}/runs/small: 1 cell failed; topics long 1: tasks.topics"
    )
    assert "Missing, not finished yet: topics long (seed 1)." in said.out
    assert [row["method"] for row in table_of(said.out)] == ["deep"]


def test_a_rate_that_diverges_is_a_trial_that_lost(ptv2, study, tmp_path):
    trainer = {"max_epochs": 2, "enable_progress_bar": False}
    base = yaml.safe_load(study().read_text())["base"] | {
        "trainer": trainer,
        "optim": {"clip": 0, "schedule": "constant"},
    }
    said = ptv2(
        "compare", "--config", study(base=base, methods={"full": ["method=full"]}, rates=[1e30, 0.01], seeds=[1])
    )
    assert said.code == 0, said
    lines = [json.loads(line) for line in (tmp_path / "runs/small/results.jsonl").read_text().splitlines()]
    trials = {line["cell"]["rate"]: line["scores"]["validation"] for line in lines if "rate" in line["cell"]}
    assert trials[1e30] is None and trials[0.01] is not None and lines[-1]["scores"]["rate"] == 0.01


BAD = {
    "a config and folders": (
        ["--config", "{file}", "runs/a"],
        "error: command line: --config and folders of runs; give one",
    ),
    "nothing": ([], "error: command line: nothing to compare; give --config FILE, or folders of finished runs"),
    "no jobs": (
        ["--config", "{file}", "--jobs", 0],
        "error: command line: argument --jobs: '0' is not a whole number from 1",
    ),
    "no array": (
        ["--config", "{file}", "--slurm", 0],
        "error: command line: argument --slurm: '0' is not a whole number from 1",
    ),
    "nothing finished": (["--config", "{file}", "--table"], "no cell is finished; run it without --table"),
}


@pytest.mark.parametrize(("words", "error"), BAD.values(), ids=BAD)
def test_a_wrong_command_is_one_line(ptv2, study, words, error):
    file = study()
    said = ptv2("compare", *[str(word).replace("{file}", str(file)) for word in words])
    assert said.code == 2 and error in said.err and said.err.count("\n") == 1


def test_an_array_of_slurm_runs_the_same_command_in_each_job(ptv2, study, tmp_path):
    file = study(base=yaml.safe_load(study().read_text())["base"] | {"data": {"batch_size": 8, "workers": 1}})
    said = ptv2("compare", "--config", file, "--slurm", 3, "--jobs", 2, "--print", "--time", "1:00:00")
    assert said.code == 0
    lines = said.out.splitlines()
    assert "#SBATCH --array=0-2" in lines and "#SBATCH --time=1:00:00" in lines and "#SBATCH --cpus-per-task=4" in lines
    assert (
        f"#SBATCH --output={tmp_path}/runs/slurm-small-%A_%a.log" in lines and "#SBATCH --job-name=ptv2-small" in lines
    )
    assert [line for line in lines if line.endswith(";;")] == [
        f"{i}) run=(--config {file} --jobs 2) ;;" for i in range(3)
    ]
    assert '-m ptv2.compare "${run[@]}"' in lines[-1]
    assert not (tmp_path / "runs" / "slurm-small.sh").exists()
