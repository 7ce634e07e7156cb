"""What `make quickstart` prints at its end, from the folders of three runs; and that its lines hold together."""

import json
import re
from pathlib import Path

import pytest

from experiments.demo import shown
from ptv2.config.load import load_config
from ptv2.errors import UserError
from ptv2.study.config import read_study

ROOT = Path(__file__).parent.parent
TEXTS = ["Left out.", "Dull.", "A joy, " + "truly " * 20 + "a joy.", "Fine."]


@pytest.fixture
def runs(tmp_path, monkeypatch):
    rows = [{"text": text, "label": "negative" if "Dull" in text else "positive"} for text in TEXTS]
    monkeypatch.setattr(shown.demo, "rows", lambda name, split: rows)
    for run, score in zip(shown.RUNS, (0.8, 0.5, 0.7), strict=True):
        results = {
            "name": run,
            "method": "deep",
            "tasks": {"movie": "demo/movie"},
            "scores": {"test": {"movie": {"accuracy": score}}},
            "intervals": {"test": {"movie": {"accuracy": [score - 0.02, score + 0.02]}}},
            "baseline": {"movie": {"test": {"accuracy": 0.5}}},
            "data": {"movie": {"train": {"rows": 64}, "test": {"rows": 3, "of": 2000}}},
            "parameters": {"prompt": {"trainable": 1}},
        }
        (tmp_path / run / "predictions").mkdir(parents=True)
        (tmp_path / run / "results.json").write_text(json.dumps(results))
        lines = [{"row": i, "prediction": f"answer{i}"} for i in (1, 2, 3)]
        (tmp_path / run / "predictions" / "movie.test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_it_ends_with_table_bars_answers_and_what_comes_next(runs, capsys):
    shown.main(runs)
    out = capsys.readouterr().out
    assert re.search(r"pretrained prompt .* 64 .* 0\.8000 .* 0\.7800 to 0\.8200 .* 3 of 2,000", out)
    bars = dict(re.findall(r"^  ([a-z -]+?) +(█+) ", out, flags=re.M))
    assert [len(bars[said]) for said in ("pretrained prompt", "prompt from scratch", "trivial answer")] == [40, 25, 25]
    assert out.count("answer3") == 3 and "Left out." not in out and "A joy, truly" in out and "…" in out
    assert f"tensorboard --logdir {runs}" in out and out.endswith("next: try your own file: ptv2 init FILE\n")


def test_a_run_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match="transfer-demo"):
        shown.main(tmp_path)


def test_the_transfer_starts_from_the_pretraining_and_the_study_runs_what_the_quickstart_shows():
    source, target = (load_config(ROOT / "configs" / part / "demo.yaml") for part in ("pretrain", "transfer"))
    assert target.prompt.start.path == target.head.start.path == f"runs/{source.run.name}"
    assert target.head.start.task in source.tasks and "movie" not in source.tasks
    for key in ("form", "length", "layers"):
        assert getattr(source.prompt, key) == getattr(target.prompt, key)
    study = read_study(ROOT / "experiments" / "demo" / "study.yaml")
    assert list(study.config.methods) == ["pretrained", "scratch", "scratch-longer", "full"]
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "ptv2.fit --config" in line]
    rates = {float(rate) for line in lines for rate in re.findall(r"optim\.lr=(\S+)", line)} | {target.optim.lr}
    assert rates <= {rate for rates in study.rates.values() for rate in rates}
