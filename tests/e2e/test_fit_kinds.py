"""A few epochs of choice, cloze, roles and multi-label classification on a tiny backbone: each learns something."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptv2 import UserError, load

Row = dict[str, Any]
FRUIT, ANIMALS = ["apple", "pear", "plum", "fig"], ["cat", "dog", "cow", "hen"]


def choice(draw: random.Random, i: int) -> Row:
    """Two to four choices, one of them a fruit."""
    texts = draw.sample(ANIMALS, draw.randint(1, 3))
    right = draw.randint(0, len(texts))
    texts.insert(right, draw.choice(FRUIT))
    letters = [chr(ord("A") + n) for n in range(len(texts))]
    return {"id": str(i), "stem": "Ann eats a", "choices": {"text": texts, "label": letters}, "key": letters[right]}


def cloze(draw: random.Random, i: int) -> Row:
    """The only fruit of the passage fills the gap."""
    entities = [draw.choice(FRUIT), *draw.sample(ANIMALS, draw.randint(1, 2))]
    draw.shuffle(entities)
    answers = [name for name in entities if name in FRUIT]
    return {"passage": " ".join(entities), "query": "Ann eats a @placeholder", "entities": entities, "answers": answers}


def roles(draw: random.Random, i: int) -> Row:
    """The animal before the predicate is its agent; the predicate is given as an index or as a word."""
    words, tags = ["the", "small", draw.choice(ANIMALS)], ["O", "O", "B-A0"]
    words, tags = [*words, draw.choice(["eats", "sees"]), draw.choice(FRUIT)], [*tags, "B-V", "B-A1"]
    return {"tokens": words, "index": 3, "verb": words[3], "tags": tags}


def moods(draw: random.Random, i: int) -> Row:
    """Every animal and every fruit that is named gives a label."""
    words = draw.sample(["cat", "fig"], draw.randint(0, 2))
    return {"text": " ".join(["the", *words, "sees"]), "named": sorted(words)}


KINDS = {
    "choice": (
        choice,
        {
            "inputs": {"text": "stem", "choices": "choices.text"},
            "label": "key",
            "options": {"label_in": "choices.label"},
            "metrics": ["accuracy"],
        },
    ),
    "cloze": (
        cloze,
        {
            "inputs": {"text": "passage", "query": "query", "entities": "entities"},
            "label": "answers",
            "metrics": ["squad_f1", "squad_em"],
        },
    ),
    "tagging": (
        roles,
        {
            "inputs": {"tokens": "tokens", "predicate": "index"},
            "label": "tags",
            "metrics": ["span_f1_no_v", "span_f1"],
        },
    ),
    "multilabel": (
        moods,
        {"inputs": {"text": "text"}, "label": "named", "metrics": ["micro_f1", "macro_f1_multilabel", "accuracy"]},
    ),
}


@pytest.fixture
def config(tmp_path, tiny_bert):
    """`config(kind)`: rows, card and config of a task of that kind."""

    def write(kind: str, **changes: Any) -> Path:
        make, keys = KINDS[kind]
        draw = random.Random(kind)
        folder = tmp_path / kind
        folder.mkdir()
        for split, count in {"train": 64, "validation": 24}.items():
            lines = [json.dumps(make(draw, i)) for i in range(count)]
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        card = {"kind": kind, "dataset": {"path": str(folder)}, "max_length": 28} | keys | changes
        (tmp_path / f"{kind}.yaml").write_text(yaml.safe_dump(card))
        values = {
            "task": str(tmp_path / f"{kind}.yaml"),
            "backbone": {"name": str(tiny_bert)},
            "prompt": {"length": 4},
            "head": {"pooling": "mean", "dropout": 0.0},
            "optim": {"lr": 0.05, "schedule": "constant"},
            "data": {"batch_size": 8},
            "run": {"folder": str(tmp_path / "runs"), "name": "run"},
            "trainer": {"max_epochs": 6},
        }
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


def results(tmp_path) -> tuple[dict[str, float], dict[str, float], list[dict[str, Any]]]:
    """Scores and baseline of the validation split, and its predictions as written."""
    run = tmp_path / "runs" / "run"
    written = json.loads((run / "results.json").read_text())
    (scores,), (baseline,) = written["scores"]["validation"].values(), written["baseline"].values()
    (file,) = (run / "predictions").glob("*.validation.jsonl")
    return scores, baseline["validation"], [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_learns(kind, config, ptv2, tmp_path):
    said = ptv2("fit", "--config", config(kind))
    assert said.code == 0, said.err
    scores, baseline, predictions = results(tmp_path)
    metrics = KINDS[kind][1]["metrics"]
    assert list(scores) == metrics
    assert scores[metrics[0]] > baseline[metrics[0]] + 0.1
    assert len(predictions) == 24
    assert said_of(kind, predictions[0])


def said_of(kind: str, line: dict[str, Any]) -> bool:
    """Whether a line of the predictions says what a reader wants to know."""
    if kind == "choice":
        return set(line["prediction"]) == {"index", "letter", "text"} and line["prediction"]["text"] in FRUIT + ANIMALS
    return isinstance(line["prediction"], str if kind == "cloze" else list)


def test_predictions_need_no_answers(config, ptv2, tmp_path):
    assert ptv2("fit", "--config", config("choice"), "trainer.max_epochs=1").code == 0
    row = {"stem": "Ann eats a", "choices": {"text": ["cat", "fig"], "label": ["1", "2"]}}
    (tmp_path / "new.jsonl").write_text(json.dumps(row) + "\n")
    said = ptv2("predict", "--artifact", tmp_path / "runs" / "run", "--input", tmp_path / "new.jsonl")
    assert said.code == 0, said.err
    line = json.loads(said.out)
    assert line["prediction"]["text"] == row["choices"]["text"][line["prediction"]["index"]]
    assert set(line["scores"]) == {"0", "1"} and abs(sum(line["scores"].values()) - 1) < 1e-4


def test_questions_are_scored_whole(config, ptv2, tmp_path):
    """A pair classification with groups, as MultiRC."""
    path = config("multilabel")
    folder = tmp_path / "answers"
    folder.mkdir()
    draw = random.Random(0)
    for split in ("train", "validation"):
        rows = [
            {"text": "Ann eats", "answer": word, "idx": {"question": i // 2}, "label": int(word in FRUIT)}
            for i, word in enumerate(draw.choices(FRUIT + ANIMALS, k=32))
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    card = {
        "kind": "cls",
        "dataset": {"path": str(folder)},
        "inputs": {"text": "text", "pair": "answer"},
        "labels": ["False", "True"],
        "label_ids": True,
        "metrics": ["f1a", "em_question"],
        "options": {"group": ["idx.question"]},
        "max_length": 16,
    }
    (tmp_path / "multilabel.yaml").write_text(yaml.safe_dump(card))
    said = ptv2("fit", "--config", path, "trainer.max_epochs=1")
    assert said.code == 0, said.err
    scores, baseline, _ = results(tmp_path)
    assert list(scores) == ["f1a", "em_question"] and 0 < baseline["em_question"] < 1
    predictor = load(tmp_path / "runs" / "run")
    rows = [json.loads(line) for line in (folder / "validation.jsonl").read_text().splitlines()]
    assert predictor.score(rows) == scores
    with pytest.raises(UserError, match=r"options\.group: no column 'idx\.question'"):
        predictor.score([{key: value for key, value in row.items() if key != "idx"} for row in rows])


@pytest.mark.parametrize(
    ("kind", "changed", "says"),
    [
        ("choice", {"key": "Z"}, "no choice is right: field 'key' is 'Z'"),
        ("cloze", {"query": "Ann eats"}, "field 'query' has no '@placeholder'"),
        ("tagging", {"index": 5}, "field 'index' is 5, outside the 5 words"),
        ("multilabel", {"named": ["hen", "unicorn"]}, "unknown label 'hen'"),
    ],
)
def test_a_bad_row_is_one_line(kind, changed, says, config, ptv2, tmp_path):
    path = config(kind)
    file = tmp_path / kind / "validation.jsonl"
    lines = file.read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | changed)
    file.write_text("\n".join(lines) + "\n")
    said = ptv2("fit", "--config", path)
    assert said.code == 2
    assert f"{file}:3: {says}" in said.err.strip().splitlines()[-1]
    assert not (tmp_path / "runs").exists()
