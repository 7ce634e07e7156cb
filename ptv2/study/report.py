"""The report of a comparison, from its finished cells alone: table, data and figure."""

import json
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from ptv2.errors import UserError
from ptv2.metrics.table import METRICS
from ptv2.model.predictions import read_scored
from ptv2.runtime.files import write_text
from ptv2.study.cell import Cell, Line, identity
from ptv2.study.columns import Row
from ptv2.study.figure import draw
from ptv2.study.paired import Array, Difference, Pair, difference, interval
from ptv2.study.plan import Plan
from ptv2.study.table import comparison, write_data

MEAN = "mean of {} tasks"
AVERAGED = ("score", "trivial baseline", "gain", "share", "minutes", "overhead", "forgetting")
"""What a mean over tasks says something about."""


def report(plan: Plan) -> str:
    """Write table.md, table.jsonl, table.csv and figure.svg into the folder of the results, and return the table.

    Raises:
        UserError: no cell is finished.
    """
    study, folder = plan.study, plan.study.results
    rows, missing = rows_of(plan)
    if not rows:
        raise UserError("no cell is finished", where=study.folder, do="run it without --table")
    if study.reference is not None:
        add_differences(plan, rows)
    elif len(study.config.methods) > 1:
        rows += _means(plan, rows, {}, {})
    title = study.config.title or f"Comparison {study.config.name}"
    command = f"python -m ptv2.compare --config {study.where}"
    text = comparison(
        title, rows, study.config.columns, study.reference, command, missing, len(study.config.methods) > 1
    )
    write_text(folder / "table.md", text)
    write_data(folder, rows)
    panels = {
        task: {row.method: row.values("score") for row in rows if row.task == task} for task in study.config.tasks
    }
    try:
        draw(panels, list(study.config.methods), folder / "figure.svg", "score", salt=study.config.name)
    except UserError as error:  # the table is what counts
        print(f"warning: {error}", flush=True)
    return text


def rows_of(plan: Plan) -> tuple[list[Row], list[str]]:
    """Return a row per task and method that has a finished cell, in the order of the config, and the missing cells."""
    cells, lines = plan.cells, plan.finished()
    rows: dict[tuple[str, str], Row] = {}
    for task in plan.study.config.tasks:
        for cell in (cell for cell in cells if cell.key["task"] == task):
            if (line := lines.get(identity(cell.key))) is not None:
                pair = task, cell.key["method"]
                rows.setdefault(pair, Row(*pair, [])).lines.append(line)
    order = list(plan.study.config.methods)
    gaps: dict[str, list[str]] = {}
    for cell in cells:
        if identity(cell.key) not in lines:
            gaps.setdefault(f"{cell.key['task']} {cell.key['method']}", []).append(str(cell.key["seed"]))
    missing = [f"{pair} (seed {', '.join(seeds)})" for pair, seeds in gaps.items()]
    for (task, method), trials in plan.trials.items():
        if f"{task} {method}" not in gaps:
            open_rates = [str(trial.key["rate"]) for trial in trials if identity(trial.key) not in lines]
            missing += [f"{task} {method} (trial of rate {', '.join(open_rates)})"] if open_rates else []
    tasks = list(plan.study.config.tasks)
    return sorted(rows.values(), key=lambda row: (tasks.index(row.task), order.index(row.method))), missing


def add_differences(plan: Plan, rows: list[Row]) -> None:
    """Fill in each row's difference to the reference, and add rows with means over tasks.

    Where the predictions of a cell are on another machine, the difference that was once computed is kept; there being
    none, it is that of the scores, seed by seed, without an interval.
    """
    reference, paired = str(plan.study.reference), dict[tuple[str, str], Paired]()
    kept = _kept(plan.study.results / "table.jsonl")
    cells = {identity(cell.key): cell for cell in plan.cells}
    references = {row.task: row for row in rows if row.method == reference}
    for row in rows:
        if row.method == reference or row.task not in references:
            continue
        theirs = {line["cell"]["seed"]: line for line in references[row.task].lines}
        lines = [(line, theirs[line["cell"]["seed"]]) for line in row.lines if line["cell"]["seed"] in theirs]
        lines = [pair for pair in lines if all("split" in line["scores"] for line in pair)]
        if not lines:
            continue
        about = {"reference": reference, "seeds": [line["cell"]["seed"] for line, _ in lines]}
        files = [[_scored(cells[identity(line["cell"])], line) for line in pair] for pair in lines]
        if all(file is not None for pair in files for file in pair):
            pairs = [(read_scored(ours), read_scored(other)) for ours, other in files if ours and other]
            own = Paired(lines[0][0]["scores"]["metric"], dict(zip(about["seeds"], pairs, strict=True)))
            if (found := own.of(about["seeds"])) is not None:
                row.difference = about | {key: value for key, value in asdict(found[0]).items() if key != "seeds"}
                paired[row.task, row.method] = own
        else:
            row.difference = _of_scores(row, references[row.task], about, kept)
    rows += _means(plan, rows, paired, kept)


@dataclass
class Paired:
    """What a method and the reference answered on the rows of a task, by seed."""

    metric: str
    pairs: dict[int, Pair]
    found: dict[tuple[int, ...], tuple[Difference, Array] | None] = field(default_factory=dict)

    def of(self, seeds: Sequence[int]) -> tuple[Difference, Array] | None:
        """Return the difference over some of the seeds, and its resamples."""
        key = tuple(seeds)
        if key not in self.found:
            self.found[key] = difference(self.metric, [self.pairs[seed] for seed in seeds])
        return self.found[key]


def _scored(cell: Cell, line: Line) -> Path | None:
    """Name the file of what a cell's metrics compared; None: it is not here, or of a run that is stale."""
    task = re.sub(r"[^\w-]", "_", line["cell"]["task"])
    file = cell.path / "scored" / f"{task}.{line['scores']['split']}.json"
    return file if file.is_file() and cell.accepts(cell.read() or line) else None


def _kept(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the differences of an earlier table by task and method."""
    try:
        rows = [json.loads(line) for line in StringIO(file.read_text(encoding="utf-8"))]
        return {
            (row["task"], row["method"]): found
            for row in rows
            if (found := row["difference"]) and found["low"] is not None
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _same(old: dict[str, Any] | None, about: dict[str, Any]) -> dict[str, Any] | None:
    """Return an earlier difference if it is of the same reference and seeds."""
    return old if old is not None and {key: old.get(key) for key in about} == about else None


def _means(
    plan: Plan, rows: list[Row], paired: dict[tuple[str, str], Paired], kept: dict[tuple[str, str], dict[str, Any]]
) -> list[Row]:
    """Make a row per method that has all tasks: means over them of the seeds that all have.

    A difference is over the seeds that all tasks of both methods have; rows and seeds of one task are drawn apart from
    those of another. Tasks whose score is a perplexity are left out: it is no fraction.
    """
    tasks = [task for task in plan.study.config.tasks if _is_fraction([r for r in rows if r.task == task])]
    made: dict[str, Row] = {}
    for method in plan.study.config.methods:
        own = {row.task: row for row in rows if row.method == method and row.task in tasks}
        seeds = [seed for seed in plan.study.config.seeds if all(seed in row.seeds for row in own.values())]
        if len(tasks) < 2 or len(own) < len(tasks) or not seeds:
            continue
        mean = made[method] = Row(MEAN.format(len(tasks)), method, [])
        for seed in seeds:
            lines = [line for row in own.values() for line in row.lines if line["cell"]["seed"] == seed]
            scores = {name: [line["scores"].get(name) for line in lines] for name in AVERAGED}
            known = {name: statistics.mean(values) for name, values in scores.items() if None not in values}
            mean.lines.append({"cell": {"seed": seed}, "scores": known, "environment": lines[0]["environment"]})
    reference = made.get(str(plan.study.reference))
    for method, mean in made.items():
        if reference is None or mean is reference:
            continue
        both = [seed for seed in mean.seeds if seed in reference.seeds]
        about = {"reference": plan.study.reference, "seeds": both}
        pairs = [paired[task, method] for task in tasks if (task, method) in paired]
        found = [own.of(both) for own in pairs] if both and len(pairs) == len(tasks) else [None]
        known = [one for one in found if one is not None]
        if len(known) == len(found):
            low, high = interval(_mean_of([resampled_R for _, resampled_R in known]))
            value = statistics.mean(difference.value for difference, _ in known)
            mean.difference = about | {"value": value, "low": low, "high": high}
        else:
            mean.difference = _of_scores(mean, reference, about, kept)
    return list(made.values())


def _mean_of(resampled: list[Array]) -> Array:
    """Average the resamples of several tasks, in an order of its own for each: their rows and seeds are unrelated."""
    count, draw = min(map(len, resampled)), np.random.default_rng(0)
    return np.mean([draw.permutation(one_R)[:count] for one_R in resampled], axis=0)


def _of_scores(
    row: Row, reference: Row, about: dict[str, Any], kept: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the difference of the scores, seed by seed, or an earlier one with an interval of the same scores."""
    earlier, found = _same(kept.get((row.task, row.method)), about), _by_seed(row, reference, about)
    same = earlier and found and math.isclose(earlier["value"], found["value"], abs_tol=1e-6)
    return earlier if same else found


def _by_seed(row: Row, reference: Row, about: dict[str, Any]) -> dict[str, Any] | None:
    """Return the difference of the scores, paired by seed alone; None: a seed, or all, is not in both rows."""
    ours, theirs = ({line["cell"]["seed"]: line["scores"].get("score") for line in r.lines} for r in (row, reference))
    pairs = [(ours.get(seed), theirs.get(seed)) for seed in about["seeds"]]
    differences = [one - other for one, other in pairs if one is not None and other is not None]
    if not differences or len(differences) < len(pairs):
        return None
    std = statistics.stdev(differences) if len(differences) > 1 else None
    return about | {"value": statistics.mean(differences), "low": None, "high": None, "std": std}


def _is_fraction(rows: list[Row]) -> bool:
    metrics = {line["scores"].get("metric") for row in rows for line in row.lines}
    return bool(rows) and all(metric in METRICS and METRICS[metric].higher_is_better for metric in metrics)
