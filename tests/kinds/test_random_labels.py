"""Whatever the labels are called: a head without a mistake scores 1.0, and prints them as they stand in the rows."""

import csv
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from label_sets import LABELS, printed

from ptv2.config.cards import make_card
from ptv2.data.taskdata import TaskData

KINDS = {
    "cls": ({"text": "text"}, ["accuracy", "macro_f1"]),
    "multilabel": ({"text": "text"}, ["micro_f1", "accuracy"]),
    "tagging": ({"tokens": "words"}, ["accuracy"]),
}


def answers(kind: str, labels: list[Any]) -> list[Any]:
    """The labels of some rows; each occurs."""
    if kind == "cls":
        return [*labels, *labels[:2]]
    pairs = [[labels[i - 1], label] for i, label in enumerate(labels)]
    return pairs if kind == "tagging" else [*pairs, labels[:1], []]


def write(folder: Path, form: str, kind: str, labels: list[Any]) -> None:
    """Rows of two splits."""
    for split in ("train", "validation"):
        rows = [{"text": f"cat {i}", "words": ["cat", "dog"], "label": a} for i, a in enumerate(answers(kind, labels))]
        with (folder / f"{split}.{form}").open("w", encoding="utf-8", newline="") as file:
            if form == "jsonl":
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            else:
                writer = csv.writer(file)
                writer.writerows([("text", "label"), *((row["text"], printed(row["label"])) for row in rows)])


def check(tokenizer: Any, kind: str, form: str, labels: list[Any]) -> None:
    # [1, 0] with the labels 0 and 1 may list both or mark the second: refused, see test_features_multilabel.py.
    assume(kind != "multilabel" or set(map(printed, labels)) != {"0", "1"})
    inputs, metrics = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*differ in blanks or case alone")
        write(Path(folder), form, kind, labels)
        card = {"name": "drawn", "kind": kind, "inputs": inputs, "metrics": metrics, "dataset": {"path": folder}}
        data = TaskData(make_card(card), tokenizer)
        features, rows = data.features, data.rows["validation"].data
        perfect = {f["row"]: [features.explain(rows[f["row"]], f)[1]] for f in data.encoded("validation")}
        assert data.score("validation", perfect) == dict.fromkeys(metrics, 1.0)
        said = [features.prediction(row, perfect[i]) for i, row in enumerate(rows)]
    gold = answers(kind, labels)
    if kind == "cls":
        assert said == [printed(label) for label in gold]
    elif kind == "tagging":
        assert said == [[printed(tag) for tag in tags] for tags in gold]
    else:  # in the order of the labels' ids
        assert [sorted(names) for names in said] == [sorted(map(printed, labels)) for labels in gold]


FORMS = [("cls", "jsonl"), ("cls", "csv"), ("multilabel", "jsonl"), ("tagging", "jsonl")]


@pytest.mark.parametrize(("kind", "form"), FORMS)
@settings(max_examples=8, deadline=None, database=None, derandomize=True)
@given(labels=LABELS)
def test_a_perfect_head_scores_one_and_prints_the_labels(tokenizer, kind, form, labels):
    check(tokenizer, kind, form, labels)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form"), FORMS)
@settings(max_examples=200, deadline=None, database=None)
@given(labels=LABELS)
def test_so_it_is_for_many_label_sets(tokenizer, kind, form, labels):
    check(tokenizer, kind, form, labels)
