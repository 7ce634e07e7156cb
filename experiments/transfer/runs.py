"""The configs of the transfer study's runs."""

import os
from pathlib import Path
from typing import Any

import yaml

from ptv2.config.load import make_config
from ptv2.config.schema import Config

FOLDER = Path(__file__).parent
RUNS = Path("runs") / "transfer"


def load(name: str, tasks: dict[str, dict[str, Any]], overrides: list[str]) -> Config:
    """Make the common config with a run's name and tasks, their rows in the folders of those names in PTV2_DATA."""
    values = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    values["run"]["name"] = name
    data = Path(os.environ["PTV2_DATA"])
    values["tasks"] = {
        task: keys | {"dataset": keys.get("dataset", {}) | {"path": str(data / task)}} for task, keys in tasks.items()
    }
    return make_config(values, overrides, where="experiments/transfer")
