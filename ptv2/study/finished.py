"""Run folders as `ptv2.compare RUN ...` reads them: finished or not, and those that differ in their seed alone."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptv2.config.load import KEYS
from ptv2.config.merge import read_mapping
from ptv2.errors import UserError
from ptv2.metrics.table import METRICS
from ptv2.train.checkpoint_file import by_step

SECTIONS = ("tasks", "optim", "prompt", "data")  # of a config, that are read


@dataclass(frozen=True)
class Run:
    """A run folder.

    Args:
        path: of the folder.
        config: what stands in its config.yaml; nothing of one that has none.
        results: what stands in its results.json; None: it is not finished.
    """

    path: Path
    config: dict[str, Any]
    results: dict[str, Any] | None

    @property
    def name(self) -> str:
        return self.results["name"] if self.results else self.path.name

    @property
    def method(self) -> str:
        if self.results:
            return self.results["method"]
        method = self.config.get("method", "-")
        return "+".join(method) if isinstance(method, list) else str(method)

    @property
    def seed(self) -> int | None:
        return (self.results or {}).get("seed", self.config.get("seed"))

    @property
    def tasks(self) -> dict[str, str]:
        """Name of each task -> name of its card."""
        if self.results:
            return self.results["tasks"]
        return {name: card.get("name", name) for name, card in self.config["tasks"].items()}

    @property
    def state(self) -> str:
        """Say how far an unfinished run has come."""
        if self.results:
            return "finished"
        step = max(by_step(self.path / "checkpoints"), default=None)
        return "unfinished" if step is None else f"unfinished, step {step}"

    def headline(self, task: str) -> tuple[str, str, float | None]:
        """Return split, metric and value of a task's main score: on the test set where there is one."""
        if self.results is None:
            card = self.config["tasks"][task]
            dataset = card.get("dataset", {})
            made_of, files = dataset.get("splits", {}).get("test", "test"), dataset.get("data_files")
            there = made_of and (made_of != "test" or not files or files.get("test"))
            split = "test" if there else "validation"
            return split, card.get("metrics", ["-"])[0], None
        split = "test" if task in self.results["scores"].get("test", {}) else "validation"
        metric, value = next(iter(self.results["scores"][split][task].items()))
        return split, metric, value

    def validation(self, task: str, metric: str) -> float | None:
        """Return the validation score of the checkpoint that was chosen; of an unfinished run, the best one so far."""
        if self.results is not None:
            return self.results["scores"].get("validation", {}).get(task, {}).get(metric)
        key, better = f"validation/{task}/{metric}", max
        if metric in METRICS and not METRICS[metric].higher_is_better:
            better = min
        try:
            lines = (self.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            values = (found[key] for found in map(json.loads, lines) if key in found)
            return better((value for value in values if not math.isnan(value)), default=None)
        except (OSError, ValueError):
            return None

    def scored_on(self, task: str, split: str) -> tuple[Any, ...]:
        """Return what identifies the rows of a score; of older results, as far as they say."""
        results = self.results or {}
        about = results.get("data", {}).get(task, {}).get(split, {})
        rows, of = about.get("rows"), about.get("of")
        drawn = self.config.get("data", {}).get("seed") if rows != of else None
        return results.get("rows", {}).get(task, {}).get(split), rows, of, drawn

    def identity(self) -> str:
        """Return what runs have in common that differ in their seed alone; of a run without a config, its path."""
        if not self.config:
            return str(self.path)
        apart = ("seed", "run", "resume", "method", "board")
        same = {key: value for key, value in self.config.items() if key not in apart}
        rows = None if self.results is None else self.results.get("rows")  # files may have changed between two runs
        return json.dumps([self.method, self.results is None, self.tasks, rows, same], sort_keys=True, default=str)


def read_run(path: Path) -> Run | None:
    """Read a run folder; None: it is none.

    Raises:
        UserError: its config or its results are damaged, or the run was not scored.
    """
    config, file = path / "config.yaml", path / "results.json"
    if not file.is_file() and not config.is_file():
        return None
    values = read_mapping(config, "a run's config", KEYS) if config.is_file() else {}
    if odd := [key for key in SECTIONS if not isinstance(values.get(key, {}), dict)]:
        raise UserError(f"'{odd[0]}' is no mapping", where=config, do="restore what the run wrote")
    if not file.is_file():
        return Run(path, values, None) if isinstance(values.get("tasks"), dict) else None
    return Run(path, values, read_results(path))


def inside(path: Path) -> str | None:
    """Name the finished runs in a folder that is none itself, as a shell finds them; None: there are none."""
    found = (pattern for pattern in ("*", "trials/*", "*/*/*") if any(path.glob(f"{pattern}/results.json")))
    return next((f"{path}/{pattern}" for pattern in found), None)


def read_results(path: Path) -> dict[str, Any]:
    """Read results.json of a run folder.

    Raises:
        UserError: it is damaged, or the run was not scored.
    """
    file, do = path / "results.json", "run it again with run.overwrite=true"
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read ({error})", where=file, do=do) from error
    if isinstance(results, dict) and results.get("scores") == {}:
        raise UserError("has no scores", where=path, do="give its task validation or test rows")
    try:
        for task in results["tasks"]:
            Run(path, {}, results).headline(task)
            dict(results["baseline"][task])
        _ = [part["trainable"] for part in results["parameters"].values()], results["name"], results["method"]
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise UserError("these are not the results of a run", where=file, do=do) from error
    return results


def by_seed(runs: list[Run]) -> list[list[Run]]:
    """Put runs together that differ in their seed alone, in the order of the first of each."""
    groups: dict[str, list[list[Run]]] = {}
    order: list[list[Run]] = []
    for run in runs:
        alike = groups.setdefault(run.identity(), [])
        group = next((group for group in alike if run.seed not in [other.seed for other in group]), None)
        if group is None:
            group = []
            alike.append(group)
            order.append(group)
        group.append(run)
    return order
