"""Trackers of experiments: Weights & Biases, MLflow and trackio, through Lightning's loggers or their own client.

Each keeps its own rules about where runs go, by its own environment variables: `WANDB_MODE=offline`, `WANDB_ENTITY`,
`MLFLOW_TRACKING_URI` (without it: `mlflow.db` beside the runs), `TRACKIO_DIR`.
"""

import json
import os
import re
import secrets
from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from lightning.pytorch.loggers import MLFlowLogger, WandbLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.runtime.files import write_text

IDS = "trackers.json"
"""File of the run folder with the run's id in each tracker: a resumed run continues its curves there."""


OFFLINE = {
    "wandb": "set WANDB_MODE=offline, or leave it out",
    "mlflow": "set MLFLOW_TRACKING_URI, or leave it out",
    "trackio": "set TRACKIO_DIR, or leave it out",
}
"""What to do where a tracker cannot be opened."""


class Tracker(Logger):
    """A tracker's logger, opened by its first value.

    Args:
        kind: a key of `OPENERS`.
        config: of the run.
        folder: of the run.
        logged: name of a value -> the last step of earlier sessions: its values up to there are not logged again.
    """

    def __init__(self, kind: str, config: Config, folder: Path, logged: dict[str, int]):
        super().__init__()
        self.kind, self.config, self.folder, self.logged = kind, config, folder, logged

    @property
    def name(self) -> str:
        return self.kind

    @property
    def version(self) -> str:
        return ""

    @cached_property
    def opened(self) -> Logger:
        """The logger that writes, in the run that the run folder names or in a new one."""
        path = self.folder / IDS
        ids = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        try:
            made = OPENERS[self.kind](self.config, self.folder, ids.get(self.kind))
            _ = made.version, getattr(made, "experiment", None)  # Lightning's begin their run here
        except Exception as error:  # many types of its own: no account, no network, a store that cannot be written
            what = f"'{self.kind}' cannot be opened ({type(error).__name__}: {error})"
            raise UserError(what, where="run.loggers", do=OFFLINE[self.kind]) from error
        if self.kind not in ids:
            write_text(path, json.dumps(ids | {self.kind: made.version}, indent=2) + "\n")
        return made

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log the values that no earlier session has logged at this step."""
        if step is not None:
            metrics = {name: value for name, value in metrics.items() if step > self.logged.get(name, 0)}
        if metrics:
            self.opened.log_metrics(metrics, step)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Log what the run is told apart by."""
        self.opened.log_hyperparams(params)

    @rank_zero_only
    def end(self, scores: dict[str, float], step: int) -> None:
        """Log the final scores."""
        self.opened.log_metrics(scores, step)

    @rank_zero_only
    def close(self, status: str) -> None:
        """End the tracker's run, if it has begun: another run of this process has its own."""
        if "opened" in self.__dict__:
            self.opened.finalize(status)
            if self.kind == "wandb":  # whose logger leaves that to the end of the process
                cast(Any, self.opened).experiment.finish(exit_code=int(status != "success"))
            del self.opened


class TrackioLogger(Logger):
    """trackio by its client.

    Args:
        config: of the run.
        name: of the run in trackio; None: a new one.
    """

    def __init__(self, config: Config, name: str | None):
        super().__init__()
        import trackio  # pyright: ignore[reportMissingImports] - an extra

        plain = re.sub(r"[^\w.-]+", "-", config.run.name)
        self._name = name or f"{plain}-{secrets.token_hex(3)}"
        self.run: Any = trackio.init(
            config.run.project, name=self._name, resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False
        )

    @property
    def name(self) -> str:
        return "trackio"

    @property
    def version(self) -> str:
        return self._name

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.run.log({name: float(value) for name, value in metrics.items()}, step=step)

    def log_hyperparams(self, params: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.run.config.update(params)

    def finalize(self, status: str) -> None:
        self.run.finish()


def open_wandb(config: Config, folder: Path, held: str | None) -> Logger:
    """Open a run of Weights & Biases; its files lie in the run folder."""
    run = config.run
    return WandbLogger(run.name, save_dir=folder, version=held or secrets.token_hex(4), project=run.project)


def open_mlflow(config: Config, folder: Path, held: str | None) -> Logger:
    """Open a run of MLflow."""
    store = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path(config.run.folder).absolute() / 'mlflow.db'}"
    return MLFlowLogger(config.run.project, run_name=config.run.name, tracking_uri=store, run_id=held)


def open_trackio(config: Config, folder: Path, held: str | None) -> Logger:
    """Open a run of trackio."""
    return TrackioLogger(config, held)


OPENERS: dict[str, Callable[[Config, Path, str | None], Logger]] = {
    "wandb": open_wandb,
    "mlflow": open_mlflow,
    "trackio": open_trackio,
}
"""Tracker -> what opens its run, with the id that the run has there."""


def check_installed(kind: str) -> None:
    """Refuse a tracker whose package is missing.

    Raises:
        UserError: says what to install.
    """
    if find_spec(kind) is None:
        do = f"pip install 'ptv2[{kind}]', or leave it out"
        raise UserError(f"'{kind}' needs the package {kind}, which is not installed", where="run.loggers", do=do)
