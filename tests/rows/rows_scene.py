"""Cards of small files, and what is said of them."""

import json
from pathlib import Path

import pytest

from ptv2.config.cards import make_card
from ptv2.errors import UserError

ROWS = [{"text": f"text {i}", "label": i % 2} for i in range(6)]
CONLL = "-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n"


def card(path, columns=("text", "label"), kind="cls", **dataset):
    keys = {"inputs": {"text": "text"}, "label": "label", "metrics": ["accuracy"]}
    if kind == "tagging":
        keys = {"inputs": {"tokens": "tokens"}, "label": "ner_tags", "metrics": ["span_f1"]}
    keys["options"] = dataset.pop("options", {})
    dataset |= {"path": str(path), "columns": list(columns)}
    return make_card({"name": "example", "kind": kind, "dataset": dataset, **keys})


def tagging_card(path, **dataset):
    return card(path, columns=("tokens", "ner_tags"), kind="tagging", **dataset)


def write(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def jsonl(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def message(call, *args) -> str:
    with pytest.raises(UserError) as error:
        call(*args)
    assert "\n" not in str(error.value)
    return str(error.value)
