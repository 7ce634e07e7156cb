"""Artifacts of tiny models whose prompts and heads matter, made without training."""

import json
from pathlib import Path
from typing import Any

import torch
from seq2seq_models import save_lm
from torch import Tensor
from training import load, run_config

from ptv2.artifact.files import write_artifact
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import build

TEXTS = ["the cat sees a red hen", "a big dog", "a small cow in Rome eats"]


def lm_config(family: str, folder: Path, save: dict[str, Any] | None = None, **changes: Any) -> Config:
    """The config of a generating run on a language model saved in `folder`."""
    if not (folder / "backbone").exists():
        save_lm(family, folder / "backbone", **(save or {}))
    rows = [{"text": text, "target": text[:9]} for text in TEXTS]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    card = {
        "name": "golden/text",
        "kind": "seq2seq",
        "dataset": {"path": "json", "data_files": {"train": str(folder / "rows.jsonl")}},
        "inputs": {"source": "text"},
        "label": "target",
        "metrics": ["bleu"],
        "max_length": 40,
        "options": {"max_target_length": 8},
    }
    values: dict[str, Any] = {
        "task": card,
        "preset": "official",
        "backbone": {"name": str(folder / "backbone")},
        "prompt": {"length": 4},
        "run": {"name": "golden", "folder": str(folder)},
    }
    for section, entries in changes.items():
        values[section] = values.get(section, {}) | entries if isinstance(entries, dict) else entries
    return make_config(values)


def write(config: Config, folder: Path, seed: int = 5, std: float = 0.3) -> Path:
    """Write the artifact of a run whose numbers are drawn anew, far from their start."""
    module = build(config).module.eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in [*module.method.parameters(), *module.heads.parameters()]:
            parameter.add_(torch.randn(parameter.shape, generator=generator) * std)
    write_artifact(artifact_of(module, {}, folder), folder)
    return folder


def encoder_artifact(family: str, folder: Path, kind: str = "cls", seed: int = 5, **changes: Any) -> Path:
    """An artifact in `folder`/prompt of a task of this kind on the family's tiny encoder."""
    folder.mkdir(parents=True, exist_ok=True)
    return write(run_config(family, folder, kind, **changes), folder / f"prompt-{seed}", seed)


def lm_artifact(family: str, folder: Path, seed: int = 5, save: dict[str, Any] | None = None, **changes: Any) -> Path:
    """An artifact in `folder`/prompt of a generating task on the family's tiny language model."""
    folder.mkdir(parents=True, exist_ok=True)
    return write(lm_config(family, folder, save, **changes), folder / f"prompt-{seed}", seed)


def states_of(path: Path, batch: dict[str, Tensor]) -> Tensor:
    """States of the last layer as ptv2 computes them."""
    module = load(path)
    with torch.no_grad():
        return module.backbone(batch, module.method(3)).last_BTD
