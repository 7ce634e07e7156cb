"""The examples of docs/extending.md: their code, card and config are taken from the page and run."""

import importlib.util
import json
import random
import re
import sys
from pathlib import Path

import pytest
import yaml
from scene import make_config, write_cards

import ptv2
from ptv2.commands import shell as command
from ptv2.commands import tasks as cards
from ptv2.kinds import KINDS
from ptv2.methods import METHODS
from ptv2.metrics.table import METRICS
from ptv2.runtime import imports

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"
WORDS = ["cat", "dog", "cow", "hen", "apple"]  # one for each star


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.M | re.S)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The example's files in a working folder, and its module, whose entries in the tables are taken out again."""
    (code, *_), (card, config) = blocks("python"), blocks("yaml")
    (tmp_path / "my_cards").mkdir()
    (tmp_path / "my_cards" / "reviews.yaml").write_text(card)
    (tmp_path / "ordinal.yaml").write_text(config)
    (tmp_path / "ordinal.py").write_text(code)
    draw = random.Random(0)
    for split, count in (("train", 60), ("validation", 20)):
        stars = [draw.randint(1, 5) for _ in range(count)]
        rows = [{"title": "the", "body": " ".join([WORDS[n - 1]] * 3), "stars": str(n)} for n in stars]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PTV2_TASKS", str(tmp_path / "my_cards"))
    for table, name in ((KINDS, "ordinal"), (METRICS, "distance"), (METRICS, "accuracy")):
        monkeypatch.setitem(table, name, table.get(name))
    spec = importlib.util.spec_from_file_location("ordinal", tmp_path / "ordinal.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_trains_scores_and_predicts(example, tiny_bert, tmp_path, capfd):
    def run(module, *argv: object) -> str:
        capfd.readouterr()
        command.run(module.main, module.command_line(), [str(word) for word in argv])
        return capfd.readouterr().out

    settings = ("backbone.dropout=0", "prompt.length=4", "task.max_length=16", "optim.lr=0.03", "trainer.max_epochs=12")
    run(example.fit, "--config", "ordinal.yaml", f"backbone.name={tiny_bert}", *settings)
    results = json.loads((tmp_path / "runs" / "ordinal" / "results.json").read_text())
    scores, baseline = (results[key] for key in ("scores", "baseline"))
    assert scores["validation"]["reviews"]["distance"] < baseline["reviews"]["validation"]["distance"]

    short = ("task.max_length=16", "--split", "validation", "--json")
    said = run(example.evaluate, "--artifact", "runs/ordinal", "--task", "reviews", *short)
    assert json.loads(said.splitlines()[-1])["scores"] == scores["validation"]["reviews"]
    said = run(example.predict, "--artifact", "runs/ordinal", "--input", "validation.jsonl")
    assert {json.loads(line)["prediction"] for line in said.splitlines()} <= set("12345")

    assert "│ 20 │" in re.sub(" +", " ", run(cards, "check", "reviews", "--backbone", tiny_bert))
    assert "label: " in run(cards, "show", "reviews", "--backbone", tiny_bert)


@pytest.fixture
def own_files(tmp_path, tiny_bert, monkeypatch):
    """norms.py and drift.py in a working folder, with topics.yaml; nothing of them is known in this process."""
    for name, code in zip(("norms", "drift"), blocks("python")[1:], strict=True):
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(imports, "loaded", set())
    monkeypatch.setitem(METHODS, "norms", None)
    monkeypatch.delitem(METHODS, "norms")
    (tmp_path / "cards").mkdir()
    make_config(tmp_path, tiny_bert, write_cards(tmp_path / "cards")["topics"], run={"folder": "runs", "log_every": 1})
    monkeypatch.chdir(tmp_path)


def test_the_method_trains_what_it_says_and_predicts(own_files):
    results = ptv2.fit("topics.yaml", {"method": "norms"}, imports=["norms.py"])
    assert 0 < results["parameters"]["backbone"]["trainable"] < results["parameters"]["backbone"]["total"]
    run = ptv2.load("runs/topics", imports=["norms.py"])
    weights = [name for name in run.artifact.weights if name.startswith("backbone.")]
    assert weights and all("LayerNorm" in name for name in weights)
    assert run.predict([{"text": "a cat"}])[0]["prediction"] in run.labels


def test_the_method_says_its_rate(own_files):
    ptv2.fit("topics.yaml", {"method": "norms", "optim.lr": "auto", "trainer.max_epochs": 1}, imports=["norms.py"])
    config = yaml.safe_load(Path("runs/topics/config.yaml").read_text())
    assert config["optim"]["lr"] == METHODS["norms"].rate.value


def test_the_callback_logs(own_files):
    ptv2.fit("topics.yaml", {"run.callbacks.drift": {"path": "drift.Drift", "every": 2}}, imports=["drift.py"])
    lines = [json.loads(line) for line in Path("runs/topics/metrics.jsonl").read_text().splitlines()]
    drift = {line["step"]: line["drift"] for line in lines if "drift" in line}
    assert len(drift) > 2 and all(moved > 0 for moved in drift.values())


def test_what_the_page_names_is_there():
    page = PAGE.read_text(encoding="utf-8")
    methods = re.findall(r"^\| ((?:`\w+`(?:, )?)+)", page.partition("What else a kind can say")[2], flags=re.M)
    for name in re.findall(r"`(\w+)`", " ".join(methods)):
        assert hasattr(next(iter(KINDS.values())).features, name), name
    for path in re.findall(r"`((?:ptv2|tests|tasks)/[\w/.]*)`", page):
        assert (PAGE.parent.parent / path).exists(), path
