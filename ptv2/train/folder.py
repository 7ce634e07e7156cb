"""The run folder: what a run is, what it measured, what it made.

<folder>/<name>/config.yaml       the resolved config
                metrics.jsonl     one line per logged step
                speed.jsonl       speed and memory, which differ from session to session
                retrieved.json    what a prompt.init of retrieve:<folder> found and started from
                results.json      scores, best step, versions, sizes, speed
                checkpoints/      the last ones and the best: what is trained, and all that resuming takes
                predictions/      one file per scored split, as `ptv2.predict` writes them
                scored/           what the metrics compared: predictions and references, to compare runs row by row
                prompt/           the artifact to share
                events.out.*      TensorBoard's event files; its projector reads projector_config.pbtxt and <step>/
                metrics.csv       and wandb/, trackers.json: of other loggers, where run.loggers names them
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ptv2.config.load import KEYS, comparable, make_config
from ptv2.config.merge import read_mapping
from ptv2.config.schema import Config
from ptv2.config.text import dump
from ptv2.errors import UserError
from ptv2.runtime import lock
from ptv2.runtime.files import write_text

LOOKS = ("board.", "run.loggers", "run.project")
"""Keys that say how a run is looked at: it may be resumed with others."""


class RunFolder:
    """Paths of one run and the rules about what may be written there.

    Inside `with folder:` no other process may run here: from the first line where the folder exists, otherwise from
    `open` on, which makes it.
    """

    def __init__(self, config: Config):
        self.path = Path(config.run.folder) / config.run.name
        self.config = config
        self.lock = lock.FolderLock(self.path)

    def __enter__(self) -> "RunFolder":
        if self.path.is_dir():
            self._take_lock()
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def prompt(self) -> Path:
        return self.path / "prompt"

    @property
    def results_file(self) -> Path:
        return self.path / "results.json"

    @property
    def retrieved_file(self) -> Path:
        return self.path / "retrieved.json"

    @property
    def finished(self) -> bool:
        return self.results_file.is_file() and not self.config.run.overwrite

    @property
    def afresh(self) -> bool:
        """Tell whether what the folder holds of this run is to go."""
        return self.config.run.overwrite or self.config.resume == "never"

    def held(self) -> dict[str, Any]:
        """Read the config of the run that the folder holds; it is empty where there is none.

        Raises:
            UserError: it cannot be read.
        """
        held = self.path / "config.yaml"
        old = read_mapping(held, "a run's config", KEYS) if held.is_file() else {}
        return old if {"tasks", "backbone", "run"} <= set(old) else {}

    def check(self) -> None:
        """Refuse a folder that this run must not write to; changes nothing.

        Raises:
            UserError: it holds a run of another config or of others inside, is not a run folder, or lies in a run.
        """
        if str(self.path).startswith("~") or "$" in str(self.path):
            what = f"is '{self.path}', and neither ~ nor $ is filled in here"
            raise UserError(what, where="run.folder", do="write the path out, or ${oc.env:HOME} in a config")
        self._check_nested()
        if self.path.exists() and not self.path.is_dir():
            raise UserError("is a file", where=self.path, do="choose another run.name")
        if old := self.held():
            if self.config.run.overwrite:
                return
            different = differences(
                comparable(make_config(old, where=str(self.path / "config.yaml"))), comparable(self.config)
            )
            different = [key for key in different if not key.startswith(LOOKS)]
            if different:
                raise UserError(
                    f"holds a run with another config ({', '.join(different[:4])} differ)",
                    where=self.path,
                    do=f"give this run another run.name, with resume={self.path} to go on from its checkpoint, "
                    "or set run.overwrite=true to replace it",
                )
        elif self.path.exists() and any(entry.name != lock.NAME for entry in self.path.iterdir()):
            raise UserError("is not empty and is not a run folder", where=self.path, do="choose another run.name")

    def _check_nested(self) -> None:
        """Refuse a run inside of another, which may be replaced with all that it holds, and to replace such a one."""
        root = Path(self.config.run.folder)
        outer = next((path for path in self.path.parents if path.is_relative_to(root) and _holds_run(path)), None)
        if outer is not None:
            raise UserError("lies inside of a run", where=self.path, do=f"choose a run.name that is not below {outer}")
        if self.afresh and self.path.is_dir():
            inner = next((file.parent for file in self.path.rglob("config.yaml") if file.parent != self.path), None)
            if inner is not None:
                do = "move that away, or choose another run.name"
                raise UserError(f"cannot be replaced: another run lies in it ({inner})", where=self.path, do=do)

    def check_writable(self) -> None:
        """Refuse a folder that could not be made or written; changes nothing.

        Raises:
            UserError: a part of its path is a file, or may not be written.
        """
        there = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            what = "is a file" if there.is_file() else "cannot be written (permission denied)"
            raise UserError(what, where=there, do="choose another run.folder")

    def open(self) -> None:
        """Make the folder and write the config.

        Raises:
            UserError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            if self.afresh:
                self._empty()
            write_text(self.path / "config.yaml", dump(comparable(self.config)))
        except OSError as error:
            raise UserError(
                f"cannot be written ({error.strerror})", where=self.path, do="choose another run.folder"
            ) from error

    def _take_lock(self) -> None:
        try:
            self.lock.take()
        except OSError as error:
            raise UserError(
                f"cannot be written ({error.strerror})", where=self.path, do="choose another run.folder"
            ) from error

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != lock.NAME:  # it is ours, and another process may be looking at it
                entry.unlink()

    def read_results(self) -> dict[str, Any]:
        """Read the results of a finished run.

        Raises:
            UserError: the file is damaged.
        """
        do = "remove the file to score the run again, or set run.overwrite=true"
        try:
            results = json.loads(self.results_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot be read ({error})", where=self.results_file, do=do) from error
        if not isinstance(results, dict) or "scores" not in results:
            raise UserError("these are not the results of a run", where=self.results_file, do=do)
        return results

    def write_results(self, results: dict[str, Any]) -> None:
        write_text(self.results_file, json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def _holds_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file() and ((folder / "checkpoints").is_dir() or (folder / "prompt").is_dir())


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """List the dotted keys at which two configs differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = list(dict.fromkeys([*old, *new]))
        return [d for key in keys for d in differences(old.get(key), new.get(key), f"{prefix}{key}.")]
    return [] if old == new else [prefix.rstrip(".")]
