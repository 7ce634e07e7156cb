"""A run in small: local rows, a backbone folder, a few real training steps, an artifact and its way back."""

import json
import random
from pathlib import Path
from typing import Any

import lightning as L
import torch
from families import CONFIGS, WORDS, make_tokenizer, save_backbone, stir
from torch import Tensor
from transformers import AutoModelForMaskedLM

from ptv2.artifact.files import read_artifact
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.model.build import Parts, build
from ptv2.model.load import artifact_config, artifact_tasks, load_artifact_backbone, load_module
from ptv2.model.module import PromptModule

LABELS = ["no", "so", "yes"]
TAGS = ["O", "B-X", "I-X"]


def write_rows(folder: Path) -> dict[str, str]:
    """JSONL files of made-up texts and tags, by split."""
    draw, files = random.Random(0), {}
    for split, count in (("train", 24), ("validation", 6)):
        rows = []
        for i in range(count):
            words = draw.choices(WORDS, k=draw.randint(2, 9))
            tags = [draw.choice(TAGS) for _ in words]
            rows.append({"text": " ".join(words), "words": words, "label": LABELS[i % 3], "tags": tags})
            rows[-1]["score"] = i / 10
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        files[split] = str(path)
    return files


def run_config(family: str, folder: Path, kind: str = "cls", **changes: dict[str, Any]) -> Config:
    """The config of a run on a backbone saved in `folder` (saved now, unless it is there)."""
    backbone = folder / "backbone"
    if not backbone.exists():
        save_backbone(family, backbone)
    card = {
        "name": f"golden/{kind}",
        "kind": kind,
        "dataset": {"path": "json", "data_files": write_rows(folder)},
        "max_length": 32,
    } | {
        "cls": {"inputs": {"text": "text"}, "label": "label", "labels": LABELS, "metrics": ["accuracy"]},
        "tagging": {"inputs": {"tokens": "words"}, "label": "tags", "labels": TAGS, "metrics": ["span_f1"]},
        "regression": {"inputs": {"text": "text"}, "label": "score", "metrics": ["pearson"]},
    }[kind]
    values = {
        "task": card,
        "preset": "official",
        "backbone": {"name": str(backbone)},
        "prompt": {"length": 4},
        "optim": {"lr": 0.05},
        "data": {"batch_size": 8},
        "run": {"name": "golden", "folder": str(folder)},
    }
    for section, entries in changes.items():
        values[section] = values.get(section, {}) | entries if isinstance(entries, dict) else entries
    return make_config(values)


def save_without_pooler(family: str, folder: Path) -> Path:
    """As RoBERTa is published: saved from masked-language modelling, so its pooler is drawn anew at every load."""
    kind, values = CONFIGS[family]
    stir(AutoModelForMaskedLM.from_config(kind(**values))).save_pretrained(folder)
    make_tokenizer(family).save_pretrained(folder)
    return folder


def train(parts: Parts, steps: int = 4) -> L.Trainer:
    """A few optimiser steps on one CPU, as `ptv2.fit` takes them; the trainer can save a checkpoint."""
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        gradient_clip_val=1.0,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(parts.module, parts.data)
    return trainer


def trained(config: Config, steps: int = 4) -> Parts:
    """A run after a few steps."""
    parts = build(config)
    train(parts, steps)
    return parts


def load(folder: Path) -> PromptModule:
    """The module that an artifact describes, as `ptv2.predict` loads it."""
    artifact = read_artifact(folder)
    config = artifact_config(artifact)
    backbone = load_artifact_backbone(artifact, config)
    return load_module(artifact, config, backbone, artifact_tasks(artifact, config, backbone))


@torch.no_grad()
def logits(module: PromptModule, parts: Parts) -> list[Tensor]:
    """Of the validation rows, batch by batch, in eval mode."""
    (name,) = parts.tasks
    return [module.eval()(batch) for batch in parts.data.eval_dataloader(name, "validation")]
