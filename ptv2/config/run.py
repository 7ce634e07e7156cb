"""The keys of a run's folder: part of the schema."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from ptv2.config.keys import POSITIVE, number


@dataclass
class PredictionsConfig:
    """What each row of predictions holds beside the answer."""

    top: int | None = number(5, POSITIVE)  # number of highest scores to keep; null: the scores of all labels
    inputs: bool = False  # the fields that the card reads, too


@dataclass
class RunConfig:
    """The run folder, and what is written there."""

    name: str = MISSING  # default: the name of the config file
    folder: str = "runs"  # the run writes into <folder>/<name>
    log_every: int = number(10, POSITIVE)  # steps between two lines of metrics.jsonl
    timeout: int = number(1800, POSITIVE)  # seconds that a rank waits for the others before the run ends with a message
    save_every: int | None = number(None, POSITIVE)  # optimizer steps between two checkpoints; null: epoch ends alone
    keep_last: int = number(2, POSITIVE)  # number of newest checkpoints to keep, beside the best
    predictions: PredictionsConfig = field(default_factory=PredictionsConfig)
    # tensorboard | jsonl | csv | wandb | mlflow | trackio: where metrics go, under the same names
    loggers: list[str] = field(default_factory=lambda: ["tensorboard", "jsonl"])
    project: str = "ptv2"  # of wandb and trackio; the experiment of mlflow
    overwrite: bool = False  # replace the run that the folder holds
    # callbacks to add: name -> {path: package.module.Class, <argument>: <value>, ...}
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
