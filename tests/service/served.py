"""Artifacts of one tiny backbone that differ in kind, form, length and layers, drawn instead of trained."""

import time
from pathlib import Path
from typing import Any

import torch

from ptv2.artifact.files import write_artifact
from ptv2.backbone import load_backbone
from ptv2.config.load import make_config
from ptv2.data.taskdata import TaskData
from ptv2.kinds import reads_of
from ptv2.model.artifact_of import artifact_of
from ptv2.model.module import PromptModule
from ptv2.rows.labels import Labels

Row = dict[str, Any]

TEXT = {"kind": "cls", "inputs": {"text": "text"}, "labels": ["animal", "fruit", "name"], "metrics": ["accuracy"]}
TAGS = {"kind": "tagging", "inputs": {"tokens": "tokens"}, "labels": ["O", "B-PER", "I-PER"], "metrics": ["span_f1"]}
PAIR = {"kind": "regression", "inputs": {"text": "first", "pair": "second"}, "metrics": ["pearson"]}
CHOICE = {"kind": "choice", "inputs": {"text": "stem", "choices": "choices"}, "metrics": ["accuracy"]}
SPAN = {
    "kind": "span",
    "inputs": {"question": "question", "context": "context"},
    "metrics": ["squad_f1"],
    "options": {"stride": 2},
}
SOURCE = {
    "kind": "seq2seq",
    "inputs": {"source": "text"},
    "metrics": ["bleu"],
    "options": {"max_target_length": 6},
}

ENCODER_ARTIFACTS: dict[str, tuple[Row, Row]] = {
    "topics": (TEXT, {"prompt": {"length": 4}}),
    "long": (TEXT, {"prompt": {"length": 9, "layers": "top:1"}}),
    "offset": (TEXT, {"prompt": {"length": 3, "position_offset": True}, "head": {"pooling": "cls"}}),
    "names": (TAGS, {"prompt": {"form": ["slots", "values"], "length": 5}}),
    "ratings": (PAIR, {"prompt": {"form": "hidden", "length": 2, "layers": [0, 2]}}),
    "choices": (CHOICE, {"prompt": {"length": 6, "gate": True}}),
    "passages": (SPAN, {"prompt": {"form": "memory", "length": 4}}),
    "bare": (TEXT, {"method": "head"}),
    "pooled": (TEXT, {"prompt": {"length": 4}, "head": {"pooling": "pooler"}}),
    "input": (TEXT, {"method": "prompt", "prompt": {"length": 3}}),
    "voted": (TEXT, {"method": "prompt", "prompt": {"length": 2, "ensemble": 2}}),
}
"""Name -> its card and what its config says beside it."""

ROWS: dict[str, list[Row]] = {
    "cls": [{"id": 7, "text": "the red apple"}, {"text": "a big dog sees Ann", "label": "animal"}, {"text": "cat"}],
    "tagging": [{"tokens": ["Ann", "sees", "the", "hen", "in", "Rome"]}, {"tokens": ["the", "dog"]}],
    "regression": [{"first": "the cat", "second": "a big big"}, {"first": "a hen", "second": "the red small plum"}],
    "choice": [
        {"stem": "the cat sees", "choices": ["a dog", "the small red apple", "Rome"]},
        {"stem": "Ann eats", "choices": ["a fig", "the cow"]},
    ],
    "span": [
        {"question": "the hen", "context": "Ann sees the hen in Rome at a small red plum and the big dog in Oslo"},
        {"question": "Rome", "context": "the cow eats"},
    ],
    "seq2seq": [{"text": "the cat sees a red hen"}, {"id": "x", "text": "a big dog"}, {"text": "Rome"}],
}


def card(keys: Row, name: str) -> Row:
    return {"name": name, "dataset": {"path": "json"}, "label": "label", "max_length": 24} | keys


def drawn_artifact(folder: Path, backbone: Path, tasks: dict[str, Row], seed: int = 0, **keys: Any) -> Path:
    """Write an artifact of these cards, whose numbers are drawn, far from zero."""
    method = {"method": keys.pop("method")} if "method" in keys else {}
    config = make_config(
        {
            "tasks": {name: card(own, name) for name, own in tasks.items()},
            "preset": "official",
            "backbone": {"name": str(backbone)} | keys.pop("backbone", {}),
            "head": {"pooling": "mean"} | keys.pop("head", {}),
            "run": {"name": folder.name},
            **method,
            **keys,
        }
    )
    torch.manual_seed(seed)
    loaded = load_backbone(config.backbone, reads_of(config.tasks.values()), casts=True)
    data = {
        name: TaskData(
            one,
            loaded.tokenizer,
            labels=Labels(one.labels, name) if one.labels else None,
            splits=(),
            labelled=False,
            decoder_only=not loaded.is_encoder_decoder,
        )
        for name, one in config.tasks.items()
    }
    module = PromptModule(config, loaded, data).eval()
    with torch.no_grad():
        for parameter in [*module.method.parameters(), *module.heads.parameters()]:
            parameter.add_(torch.randn_like(parameter) * 0.5)
    write_artifact(artifact_of(module, {}, folder), folder)
    return folder


def rows_for(own: Row) -> list[Row]:
    """Rows that an artifact of this card answers."""
    return [dict(row) for row in ROWS[own["kind"]]]


def until(holds, seconds=20):
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not come to that"
        time.sleep(0.01)
