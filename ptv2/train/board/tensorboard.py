"""TensorBoard: the event files of a run lie in its folder, so that a run has the folder's name there."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from ptv2.config.load import comparable
from ptv2.config.schema import Config

ALWAYS = ("method", "backbone.name", "prompt.length", "optim.lr", "data.batch_size", "seed")
"""Keys that the hparams tab shows of every run; others where they differ from their defaults."""
APART = ("tasks", "run", "board", "import")  # keys that the tab does not show as they are


class Board(TensorBoardLogger):
    """Lightning's logger without its own copy of the config, which the run folder has.

    Args:
        folder: the run folder.
        purge_step: events of earlier sessions from this step on are not shown.
    """

    def __init__(self, folder: Path, purge_step: int | None = None):
        super().__init__(folder, name="", version="", default_hp_metric=False, purge_step=purge_step)

    @rank_zero_only
    def save(self) -> None:
        """Write out the events so far."""
        self.experiment.flush()


def hparams(config: Config) -> dict[str, Any]:
    """Return what a run is told apart by: its cards, `ALWAYS`, and all keys that differ from their defaults."""
    values, defaults = (_flat({k: v for k, v in comparable(c).items() if k not in APART}) for c in (config, Config()))
    shown = {key: value for key, value in values.items() if key in ALWAYS or value != defaults.get(key)}
    return {"tasks": ", ".join(card.name for card in config.tasks.values())} | shown


def final_scores(results: dict[str, Any]) -> dict[str, float]:
    """Return the scores of a finished run as curves of one point: `final/<split>/<task>/<metric>`."""
    return {
        f"final/{split}/{task}/{metric}": value
        for split, tasks in results["scores"].items()
        for task, scores in tasks.items()
        for metric, value in scores.items()
    }


def write_hparams(folder: Path, params: dict[str, Any], scores: dict[str, float], step: int | None = None) -> None:
    """Write a line of TensorBoard's hparams tab, beside the curves of the run."""
    board = Board(folder)
    board.log_hyperparams(params, scores, step)
    board.experiment.close()


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys -> numbers, texts, or JSON of what is neither."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            plain = isinstance(value, int | float | str) and not isinstance(value, bool)  # which becomes 1 there
            flat[f"{prefix}{name}"] = value if plain else json.dumps(value)
    return flat
