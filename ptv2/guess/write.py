"""The files that are written for a guess: the card, and a config that trains on it."""

import math
import os
from pathlib import Path
from typing import Any

from ptv2.config.local import LOCAL_FORMATS
from ptv2.config.text import dump
from ptv2.guess.card import Guess
from ptv2.kinds import KINDS

START: dict[str, dict[str, Any]] = {
    "label": {"backbone": {"dropout": 0}, "head": {"pooling": "mean"}, "optim": {"lr": 0.01}},
    "words": {"prompt": {"length": 32}, "optim": {"lr": 0.02, "schedule": "exponential"}},
    "passage": {"prompt": {"length": 32}, "optim": {"lr": 0.02, "schedule": "exponential"}},
    "text": {
        "backbone": {"dropout": 0},
        "prompt": {"dropout": 0},
        "optim": {"lr": 0.002},
        "data": {"batch_size": 8, "eval_batch_size": 16},
    },
}
"""What the answers are (`Features.answers`) -> settings to start with, as in configs/quickstart.yaml, configs/demo."""
BATCH, STEPS, EPOCHS = 32, 800, (2, 40)
UP = 3  # folders up to which a path is written from the card's folder


def backbone_for(kind: str) -> str:
    """Name a small backbone that needs no network: one that writes where the answers are texts."""
    return "demo:smollm2-135m" if KINDS[kind].features.answers == "text" else "demo:minilm-l6"


def card_text(card: dict[str, Any], why: list[str], folder: Path) -> str:
    """Write the card as it is read from a file in `folder`, with the reasons above it."""
    dataset = dict(card["dataset"])
    if dataset["path"] in LOCAL_FORMATS:
        files = dataset["data_files"].items()
        dataset["data_files"] = {split: _seen_from(folder, Path(file)) for split, file in files}
    else:
        dataset["path"] = _seen_from(folder, Path(dataset["path"]), dot=True)
    lines = ["# Guessed by ptv2 init from the rows; correct what is wrong (docs/tasks.md explains every key)."]
    return "\n".join([*lines, *(f"# - {reason}" for reason in why), dump(card | {"dataset": dataset}, inline=True)])


def config_text(guess: Guess, card_file: str, backbone: str) -> str:
    """Write the config of a first run."""
    name, kind = guess.card["name"], guess.card["kind"]
    start = START.get(KINDS[kind].features.answers, START["label"])
    config: dict[str, Any] = {"tasks": {name: card_file}, "method": "deep"}
    config |= {
        "backbone": {"name": backbone} | start.get("backbone", {}),
        "prompt": {"length": 16} | start.get("prompt", {}),
    }
    config |= {key: values for key, values in start.items() if key not in config}
    config["data"] = {"batch_size": BATCH} | start.get("data", {})
    steps = math.ceil(0.9 * len(guess.found.first.data) / config["data"]["batch_size"])
    least, most = EPOCHS
    config["trainer"] = {"max_epochs": min(most, max(least, round(STEPS / steps)))}
    about = "# A first run, written by ptv2 init. A key is explained by: python -m ptv2.fit --help-config KEY"
    return f"{about}\n{dump(config, inline=True)}"


def _seen_from(folder: Path, path: Path, dot: bool = False) -> str:
    """Write a path as it is found from a folder, or in full where that lies far away."""
    if path.is_absolute():
        return str(path)
    seen = os.path.relpath(path, folder)
    if seen.startswith("../" * (UP + 1)):
        return str(path.resolve())
    return f"./{seen}" if dot and not seen.startswith(".") else seen
