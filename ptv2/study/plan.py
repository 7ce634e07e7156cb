"""The cells of a comparison: trials that choose a learning rate on validation rows, and the cells of the table.

A trial never reads the test rows: its card names none. Its line has the scores {"validation": goodness, "rate": ...}.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from ptv2.config.merge import read_mapping
from ptv2.config.text import dump
from ptv2.errors import UserError
from ptv2.runtime.files import write_text
from ptv2.study.cell import Cell, Line, Lines, identity
from ptv2.study.config import Study, plain
from ptv2.study.runs import measure, trial

NO_TEST = "task.dataset.data_files.test=null"


class Plan:
    """What a comparison consists of, and what of it is finished."""

    def __init__(self, study: Study):
        self.study = study
        self.lines = Lines(study.results / "results.jsonl")

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the table, seed by seed."""
        return [
            self._cell(task, method, seed, next(iter(self.study.rates[method]), None))
            for seed in self.study.config.seeds
            for task, method in self.study.pairs
        ]

    @cached_property
    def trials(self) -> dict[tuple[str, str], list[Cell]]:
        """The runs that choose the rate of each task and method."""
        return {(task, method): self._trials(task, method) for task, method in self.study.pairs}

    def finished(self) -> dict[str, Line]:
        """Return the lines of the finished cells and trials, by their identity."""
        trials = [trial for trials in self.trials.values() for trial in trials]
        return {identity(line["cell"]): line for line in self.lines.gather([*trials, *self.cells])}

    def open(self) -> list[Cell]:
        """List what can be run now: unfinished cells, or the unfinished trials that come before them."""
        finished, found = self.finished(), dict[str, Cell]()
        for cell in self.cells:
            if identity(cell.key) in finished:
                continue
            trials = self.trials[cell.key["task"], cell.key["method"]]
            missing = [trial for trial in trials if identity(trial.key) not in finished]
            if missing:
                found |= {identity(trial.key): trial for trial in missing}
                continue
            cell.settings["trials"] = [finished[identity(trial.key)] for trial in trials]
            found[identity(cell.key)] = cell
        return list(found.values())

    def check_folder(self, write: bool = True) -> None:
        """Refuse a folder that holds another comparison; methods, tasks and seeds may be added, and are noted there.

        Args:
            write: make the folder, and note them.

        Raises:
            UserError: names what differs.
        """
        file, ours = self.study.folder / "study.yaml", plain(self.study)
        held = read_mapping(file, "a comparison") if file.is_file() else {}
        different = []
        for key, value in ours.items():
            old = held.get(key, value)
            if key in ("methods", "tasks", "rates") and isinstance(old, dict):
                different += [f"{key}.{name}" for name in value if name in old and old[name] != value[name]]
                ours[key] = old | value
            elif old != value:
                different.append(key)
        if different:
            what = f"holds a comparison with another config ({', '.join(different[:4])} differ)"
            do = "give this one another name, or remove the folder"
            raise UserError(what, where=self.study.folder, do=do)
        if not write:
            return
        try:
            self.study.folder.mkdir(parents=True, exist_ok=True)
            self.study.results.mkdir(parents=True, exist_ok=True)
            write_text(file, dump(ours))
        except OSError as error:
            what = f"cannot be written ({error.strerror})"
            raise UserError(what, where=self.study.folder, do="choose another folder") from error

    def _trials(self, task: str, method: str) -> list[Cell]:
        rates = self.study.rates[method]
        seed = self.study.search_seed
        return [self._cell(task, method, seed, rate, is_trial=True) for rate in rates] if len(rates) > 1 else []

    def _cell(self, task: str, method: str, seed: int, rate: float | None = None, is_trial: bool = False) -> Cell:
        values, overrides = self.study.values(task, method)
        name = f"rate-{rate!r}" if is_trial else str(seed)
        path = Path(method) / task / name
        overrides += [f"seed={seed}", *([f"optim.lr={rate!r}"] if rate is not None else [])]
        overrides += [NO_TEST] if is_trial else []
        values["run"] |= {"folder": str(self.study.folder), "name": path.as_posix()}
        key: dict[str, Any] = {"task": task, "method": method, "seed": seed} | ({"rate": rate} if is_trial else {})
        settings = {"values": values, "overrides": overrides, "outside": self.study.outside, "trials": []}
        decides = [{name: value for name, value in values.items() if name != "run"}, overrides, self.study.outside]
        digest = hashlib.sha256(json.dumps([decides, self.study.rates[method]], sort_keys=True).encode()).hexdigest()
        return Cell(key, self.study.folder / path, trial if is_trial else measure, settings, digest[:12])
