"""Extractive question answering on a tiny backbone, from training to predictions for new questions."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

METRICS = ["squad_f1", "squad_em", "has_answer_f1", "no_answer_f1"]
QUESTIONS = {"who eats?": ["Ann", "Bob"], "in what?": ["Rome", "Oslo"]}


def question(draw: random.Random) -> dict[str, Any]:
    """Who eats where: the person comes first, the place last, and either may be missing."""
    asked = draw.choice(list(QUESTIONS))
    who, where = (draw.choice(names) if draw.random() < 0.7 else "the cat" for names in QUESTIONS.values())
    context = f"{who} eats a {draw.choice(['red', 'big', 'small'])} fig in {where}"
    texts = [name for name in QUESTIONS[asked] if name in context.split()]
    return {
        "question": asked,
        "context": context,
        "answers": {"text": texts, "answer_start": [context.index(text) for text in texts]},
    }


@pytest.fixture
def config(tmp_path, tiny_bert) -> Path:
    draw = random.Random(0)
    folder = tmp_path / "rows"
    folder.mkdir()
    for split, count in {"train": 96, "validation": 32, "test": 32}.items():
        lines = [json.dumps(question(draw)) for _ in range(count)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    card = {
        "kind": "span",
        "dataset": {"path": str(folder), "columns": ["question", "context", "answers"]},
        "inputs": {"question": "question", "context": "context"},
        "label": "answers",
        "metrics": METRICS,
        "max_length": 15,  # the context takes more than one window
        "options": {"stride": 2, "null_threshold": "validation"},
    }
    (tmp_path / "mrc.yaml").write_text(yaml.safe_dump(card))
    values = {
        "task": str(tmp_path / "mrc.yaml"),
        "backbone": {"name": str(tiny_bert)},
        "prompt": {"length": 4},
        "head": {"dropout": 0.0},
        "optim": {"lr": 0.05, "schedule": "constant"},
        "data": {"batch_size": 8},
        "run": {"folder": str(tmp_path / "runs"), "name": "run"},
        "trainer": {"max_epochs": 6},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_from_training_to_new_questions(config, ptv2, tmp_path):
    said = ptv2("fit", "--config", config)
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "run"
    results = json.loads((run / "results.json").read_text())
    scores, baseline = results["scores"], results["baseline"]["mrc"]
    assert list(scores["test"]["mrc"]) == METRICS
    assert scores["validation"]["mrc"]["squad_f1"] > baseline["validation"]["squad_f1"] + 0.1

    # The threshold that was chosen on the validation rows is in checkpoint and artifact, and in force on other splits.
    threshold = load_file(run / "prompt" / "weights.safetensors")["heads.mrc.tuned"]
    assert threshold != 0
    kept = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]["heads.mrc.tuned"]
    assert torch.equal(threshold, kept)
    lines = read(run / "predictions" / "mrc.test.jsonl")
    assert all((line["prediction"] == "") == (line["null_score_diff"] > float(threshold)) for line in lines)
    assert all((line["answer_start"] is None) == (line["prediction"] == "") for line in lines)

    for split in ("validation", "test"):
        said = ptv2("evaluate", "--artifact", run, "--task", tmp_path / "mrc.yaml", "--split", split, "--json")
        assert said.code == 0, said.err
        assert json.loads(said.out)["scores"] == scores[split]["mrc"]

    rows = read(tmp_path / "rows" / "test.jsonl")
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json.dumps({k: row[k] for k in ("question", "context")}) + "\n" for row in rows))
    said = ptv2("predict", "--artifact", run, "--input", new)
    assert said.code == 0, said.err
    assert [line.pop("gold") for line in lines] == [row["answers"]["text"] for row in rows]
    assert [json.loads(line) for line in said.out.splitlines()] == lines
    for row, line in zip(rows, lines, strict=True):
        if line["prediction"]:
            assert row["context"][line["answer_start"] :].startswith(line["prediction"])


def test_a_fixed_threshold_and_a_bad_row(config, ptv2, tmp_path):
    said = ptv2("fit", "--config", config, "task.options.null_threshold=-1000000", "trainer.max_epochs=1")
    assert said.code == 0, said.err
    lines = read(tmp_path / "runs" / "run" / "predictions" / "mrc.test.jsonl")
    assert {line["prediction"] for line in lines} == {""}

    file = tmp_path / "rows" / "validation.jsonl"
    rows = read(file)
    place = next(i for i, row in enumerate(rows) if row["answers"]["text"])
    rows[place]["answers"]["answer_start"] = [1]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = ptv2("fit", "--config", config, "run.name=other")
    assert said.code == 2
    assert f"{file}:{place + 1}: answer '{rows[place]['answers']['text'][0]}' is not at offset 1" in said.err
    said = ptv2("fit", "--config", config, "run.name=other", "task.on_bad_row=skip", "trainer.max_epochs=1")
    assert said.code == 0, said.err
    assert len(read(tmp_path / "runs" / "other" / "predictions" / "mrc.validation.jsonl")) == len(rows) - 1


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
