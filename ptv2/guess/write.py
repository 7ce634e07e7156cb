"""The files that are written for a guess: the card, and a config that trains on it."""

import os
from pathlib import Path
from typing import Any

from ptv2.config.local import LOCAL_FORMATS
from ptv2.config.text import dump
from ptv2.guess.card import Guess
from ptv2.kinds import KINDS

BATCHES = {"text": {"batch_size": 8, "eval_batch_size": 16}}
"""What the answers are (`Features.answers`) -> batches of what takes more memory than others do."""
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
    config: dict[str, Any] = {"tasks": {name: card_file}, "method": "deep", "backbone": {"name": backbone}}
    if (batches := BATCHES.get(KINDS[kind].features.answers or "")) is not None:
        config["data"] = batches
    about = "# A first run, written by ptv2 init. What it does not set, the run chooses and says: docs/defaults.md"
    return f"{about}\n{dump(config, inline=True)}"


def _seen_from(folder: Path, path: Path, dot: bool = False) -> str:
    """Write a path as it is found from a folder, or in full where that lies far away."""
    if path.is_absolute():
        return str(path)
    seen = os.path.relpath(path, folder)
    if seen.startswith("../" * (UP + 1)):
        return str(path.resolve())
    return f"./{seen}" if dot and not seen.startswith(".") else seen
