"""The configs of the transfer study's runs."""

import os
from pathlib import Path
from typing import Any

import yaml

from ptv2.config import Config, make_config

FOLDER = Path(__file__).parent
RUNS = Path("runs") / "transfer"
DATA = {"few_nerd_inter": "few_nerd"}  # folder in PTV2_DATA, where it is not the card's name


def load(name: str, tasks: dict[str, dict[str, Any]], overrides: list[str]) -> Config:
    """The common config with a run's name and its tasks, their rows in PTV2_DATA."""
    values = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    values["run"]["name"] = name
    values["tasks"] = {task: keys | {"dataset": {"path": _folder(keys["card"])}} for task, keys in tasks.items()}
    return make_config(values, overrides, where="experiments/transfer")


def _folder(card: str) -> str:
    name = Path(card).name
    return str(Path(os.environ["PTV2_DATA"]) / DATA.get(name, name))
