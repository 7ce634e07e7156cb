"""The cells of a comparison: trials that choose a learning rate on validation rows, and the cells of the table.

A trial never reads the test rows: its card names none. Its line has the scores {"validation": goodness}. A cell of the
table is finished when it was trained with the rate that its finished trials choose now: rates may be added later.
"""

import hashlib
import json
import operator
from functools import cached_property
from pathlib import Path
from typing import Any

from ptv2.config.merge import read_mapping
from ptv2.config.text import dump
from ptv2.errors import UserError
from ptv2.runtime.files import write_text
from ptv2.study.cell import Cell, Line, Lines, identity
from ptv2.study.config import Study, plain
from ptv2.study.runs import chosen_rate, measure, trial

NO_TEST = "task.dataset.data_files.test=null"


class Plan:
    """What a comparison consists of, and what of it is finished."""

    def __init__(self, study: Study):
        self.study = study
        self.lines = Lines(study.results / "results.jsonl")

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells of the table, seed by seed."""
        return [self._cell(task, method, seed) for seed in self.study.config.seeds for task, method in self.study.pairs]

    @cached_property
    def trials(self) -> dict[tuple[str, str], list[Cell]]:
        """The runs that choose the rate of each task and method."""
        return {(task, method): self._trials(task, method) for task, method in self.study.pairs}

    def finished(self) -> dict[str, Line]:
        """Return the lines of the finished cells and trials, by their identity."""
        trials = [trial for trials in self.trials.values() for trial in trials]
        known = {identity(line["cell"]): line for line in self.lines.gather(trials)}
        for cell in self.cells:
            if rates := self.study.rates[cell.key["method"]]:
                found = [known[identity(trial.key)] for trial in self._trials_of(cell) if identity(trial.key) in known]
                cell.settings["trials"] = found
                cell.expected["rate"] = rates[0] if len(rates) == 1 else chosen_rate(found)
        lines = {identity(line["cell"]): line for line in self.lines.gather(self.cells)}
        stale = [cell for cell in self.cells if not cell.accepts(lines.get(identity(cell.key)))]
        return {name: line for name, line in lines.items() if name not in {identity(cell.key) for cell in stale}}

    def open(self) -> list[Cell]:
        """List what can be run now: unfinished cells, or the unfinished trials that come before them."""
        finished, found = self.finished(), dict[str, Cell]()
        for cell in self.cells:
            missing = [trial for trial in self._trials_of(cell) if identity(trial.key) not in finished]
            if missing:
                found |= {identity(trial.key): trial for trial in missing}
            elif identity(cell.key) not in finished:
                found[identity(cell.key)] = cell
        return list(found.values())

    def check_folder(self, write: bool = True) -> None:
        """Refuse a folder that holds another comparison; but methods, tasks, seeds and rates may be added.

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
                same = _grown if key == "rates" else operator.eq
                different += [f"{key}.{name}" for name in value if name in old and not same(old[name], value[name])]
                ours[key] = old | value
            elif key == "search_seed" and None in (old, value):  # one rate each: nothing was searched, or is
                ours[key] = value if old is None else old
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

    def _trials_of(self, cell: Cell) -> list[Cell]:
        return self.trials[cell.key["task"], cell.key["method"]]

    def _trials(self, task: str, method: str) -> list[Cell]:
        rates = self.study.rates[method]
        seed = self.study.search_seed
        return [self._cell(task, method, seed, rate) for rate in rates] if len(rates) > 1 else []

    def _cell(self, task: str, method: str, seed: int, tried: float | None = None) -> Cell:
        """Make a trial of the rate that is `tried`, or a cell of the table: its rate is no part of its digest."""
        values, overrides = self.study.values(task, method)
        rates = self.study.rates[method] if tried is None else [tried]
        path = Path(method) / task / (str(seed) if tried is None else f"rate-{tried!r}")
        overrides += [f"seed={seed}", *([NO_TEST] if tried is not None else [])]
        rate = [f"optim.lr={rate!r}" for rate in rates[:1] if len(rates) == 1]
        counted = [*overrides, *(rate if tried is not None or not rates else ["optim.lr=chosen"])]
        decides = [{name: value for name, value in values.items() if name != "run"}, counted, self.study.outside]
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        values["run"] |= {"folder": str(self.study.folder), "name": path.as_posix()}
        key: dict[str, Any] = {"task": task, "method": method, "seed": seed}
        key |= {"rate": tried} if tried is not None else {}
        settings = {"values": values, "overrides": overrides + rate, "outside": self.study.outside, "trials": []}
        return Cell(key, self.study.folder / path, trial if tried is not None else measure, settings, digest[:12])


def _grown(old: list[float], new: list[float]) -> bool:
    """Tell whether rates are as they were, or more; none is not fewer: those of the runs' config count then."""
    return old == new or (bool(old) and set(old) <= set(new))
