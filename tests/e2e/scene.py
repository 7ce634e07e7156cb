"""Three small tasks in local files, and configs that train a tiny backbone on them."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]


def topic(draw: random.Random, i: int) -> Row:
    """Animals or fruits are named; the label says which."""
    label, words = draw.choice([("animal", "cat dog cow hen"), ("fruit", "apple pear plum fig")])
    named, filler = draw.choices(words.split(), k=3), draw.choices("the a red big".split(), k=draw.randint(0, 5))
    return {"id": i, "text": " ".join(named + filler), "label": label}


def rating(draw: random.Random, i: int) -> Row:
    """A pair of texts; the score is how often the second says big."""
    big = draw.randint(0, 4)
    return {"id": f"r{i}", "first": "the cat", "second": "a " + "big " * big, "score": float(big)}


def entities(draw: random.Random, i: int) -> Row:
    """A person and sometimes a place."""
    tokens, tags = [draw.choice(["Ann", "Bob"]), "sees", "the", "hen"], ["B-PER", "O", "O", "O"]
    if draw.random() < 0.5:
        tokens, tags = [*tokens, "in", draw.choice(["Rome", "Oslo"])], [*tags, "O", "B-LOC"]
    return {"tokens": tokens, "tags": tags}


CARDS = {
    "topics": (topic, {"kind": "cls", "inputs": {"text": "text"}, "metrics": ["accuracy", "macro_f1"]}),
    "ratings": (
        rating,
        {
            "kind": "regression",
            "inputs": {"text": "first", "pair": "second"},
            "label": "score",
            "metrics": ["pearson", "spearman"],
        },
    ),
    "names": (
        entities,
        {
            "kind": "tagging",
            "inputs": {"tokens": "tokens"},
            "label": "tags",
            "labels": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
            "metrics": ["span_f1"],
        },
    ),
}


def write_rows(path: Path, rows: list[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_cards(root: Path, train: int = 48) -> dict[str, Path]:
    """Card files of the three tasks, their rows in a folder beside each."""
    for name, (make, keys) in CARDS.items():
        draw = random.Random(name)
        (root / name).mkdir()
        for split, count in {"train": train, "validation": 16, "test": 16}.items():
            write_rows(root / name / f"{split}.jsonl", [make(draw, i) for i in range(count)])
        card = {"dataset": {"path": str(root / name)}, "max_length": 24} | keys
        (root / f"{name}.yaml").write_text(yaml.safe_dump(card))
    return {name: root / f"{name}.yaml" for name in CARDS}


@dataclass
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


def make_config(folder: Path, tiny_bert: Path, card: Path, **keys: Any) -> Path:
    """A config file in `folder`: tiny BERT, one task, two epochs, the runs beside it."""
    config = {
        **({} if "tasks" in keys else {"task": str(card)}),
        "preset": "official",
        "backbone": {"name": str(tiny_bert)},
        "prompt": {"length": 4},
        "head": {"pooling": "mean"},
        "optim": {"lr": 0.02},
        "data": {"batch_size": 8},
        "run": {"folder": str(folder / "runs"), "log_every": 1},
        "trainer": {"max_epochs": 2},
    } | keys
    path = folder / f"{card.stem}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
