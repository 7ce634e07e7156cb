"""Labels of any name through fit, artifact, prediction and evaluation."""

import csv
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from label_sets import LABELS, printed
from scene import make_config

from ptv2 import load
from ptv2.config.load import load_config
from ptv2.train.fit import fit

WORDS = ["cat", "apple", "ann", "red", "sees"]


def check(tiny_bert: Path, form: str, labels: list[Any]) -> None:
    """A word in each row says its label, so that a few steps teach it."""
    rows = [
        {"text": f"{WORDS[i]} {WORDS[i]} {filler}", "label": label}
        for filler in ("a", "the", "in", "at")
        for i, label in enumerate(labels)
    ]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*differ in blanks or case alone")
        folder = Path(name)
        (folder / "rows").mkdir()
        for split in ("train", "validation"):
            with (folder / "rows" / f"{split}.{form}").open("w", encoding="utf-8", newline="") as file:
                if form == "jsonl":
                    file.writelines(json.dumps(row) + "\n" for row in rows)
                else:
                    csv.writer(file).writerows([("text", "label"), *((r["text"], printed(r["label"])) for r in rows)])
        card = {"kind": "cls", "dataset": {"path": str(folder / "rows")}, "inputs": {"text": "text"}}
        (folder / "rows" / "drawn.yaml").write_text(yaml.safe_dump(card | {"metrics": ["accuracy"], "max_length": 16}))
        config = make_config(
            folder,
            tiny_bert,
            folder / "rows" / "drawn.yaml",
            method="full",
            optim={"lr": 0.005},
            trainer={"max_epochs": 30, "check_val_every_n_epoch": 10, "enable_progress_bar": False},
        )
        fit(load_config(config))
        found = load(folder / "runs" / "drawn")
        assert found.score_card(str(folder / "rows" / "drawn.yaml"), "validation").scores == {"accuracy": 1.0}
        assert found.score(rows) == {"accuracy": 1.0}
        assert [record["prediction"] for record in found.predict([{"text": row["text"]} for row in rows])] == [
            printed(row["label"]) for row in rows
        ]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_stars_come_out_as_they_went_in(tiny_bert, form):
    check(tiny_bert, form, [5, 1, -2])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "csv"])
@settings(max_examples=10, deadline=None, database=None)
@given(labels=LABELS)
def test_any_labels_come_out_as_they_went_in(tiny_bert, form, labels):
    check(tiny_bert, form, labels)
