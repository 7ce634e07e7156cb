"""Runs beside each other: a line for each group of runs that differ in their seed alone, task by task."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from ptv2.errors import UserError
from ptv2.methods import method_named
from ptv2.metrics.table import METRICS
from ptv2.model.predictions import read_scored
from ptv2.study.finished import Run
from ptv2.study.paired import difference

COLUMNS = (
    "run", "method", "task", "split", "metric", "rows", "of", "score", "score_std",
    "validation", "validation_std", "validation_rows", "difference", "low", "high", "paired_seeds",
    "baseline", "baseline_std", "baseline_answer",
    "lr", "P", "trained_on", "seconds", "trainable", "seeds", "state", "other_rows", "folders",
)  # fmt: skip
"""What a line holds, in this order."""

LARGEST_FIRST = ("score", "validation", "difference")


@dataclass(frozen=True)
class Beside:
    """The lines of a task, and what they are compared to.

    Args:
        task: its name.
        card: name of its card.
        split: that most lines are scored on.
        metric: its main score.
        lines: by the names of `COLUMNS`.
        first: the line that others are compared to: its rows, and its trivial answer.
        reference: name of the line that the differences are to; None: there are no differences.
    """

    task: str
    card: str
    split: str
    metric: str
    lines: list[dict[str, Any]]
    first: dict[str, Any]
    reference: str | None


def beside(groups: Sequence[Sequence[Run]], sort: str | None = None) -> list[Beside]:
    """Compare groups of runs on each task that they have."""
    made, names = [], _names(groups)
    for task, card in dict.fromkeys(pair for group in groups for run in group for pair in run.tasks.items()):
        several = [group for group in groups if group[0].tasks.get(task) == card]
        first = next((group for group in several if group[0].results is not None), several[0])
        split, metric, _ = first[0].headline(task)
        lines = [_line(names[id(group)], group, task, card, first) for group in several]
        compared = any(line["difference"] is not None for line in lines)
        reference = names[id(first)] if compared else None
        of_first = lines[several.index(first)]
        made.append(Beside(task, card, split, metric, _sorted(lines, sort, metric), of_first, reference))
    return made


def _line(name: str, group: Sequence[Run], task: str, card: str, first: Sequence[Run]) -> dict[str, Any]:
    run, config = group[0], group[0].config
    split, metric, _ = run.headline(task)
    scores = [value for one in group if (value := one.headline(task)[2]) is not None]
    validation = [value for one in group if (value := one.validation(task, metric)) is not None]
    results = [one.results for one in group if one.results is not None]
    baselines = [one.get("baseline", {}).get(task, {}).get(split, {}).get(metric) for one in results]
    trivial = [value for value in baselines if value is not None]
    data = (run.results or {}).get("data", {}).get(task, {})
    about = data.get(split, {})
    other = bool(results) and first[0].results is not None and _rows(group, task) != _rows(first, task)
    found = None if other or group is first or not results else _difference(group, first, task, split, metric)
    line = {
        "run": name,
        "method": run.method,
        "task": card,
        "split": split,
        "metric": metric,
        "rows": about.get("rows"),
        "of": about.get("of"),
        "score": _mean(scores),
        "score_std": _std(scores),
        "validation": _mean(validation),
        "validation_std": _std(validation),
        "validation_rows": data.get("validation", {}).get("rows"),
        "baseline": _mean(trivial),
        "baseline_std": _std(trivial),
        "baseline_answer": results[0].get("baseline_answer", {}).get(task) if trivial else None,
        "lr": config.get("optim", {}).get("lr"),
        "P": config.get("prompt", {}).get("length") if _has_prompts(run) else None,
        "trained_on": data.get("train", {}).get("rows"),
        "seconds": _mean([found["wall_seconds"] for found in results if "wall_seconds" in found]),
        "trainable": sum(part["trainable"] for part in results[0]["parameters"].values()) if results else None,
        "seeds": [one.seed for one in group],
        "state": "; ".join(dict.fromkeys(one.state for one in group)),
        "other_rows": other,
        "folders": [str(one.path) for one in group],
    } | (found or dict.fromkeys(("difference", "low", "high", "paired_seeds")))
    return {column: line[column] for column in COLUMNS}


def _rows(group: Sequence[Run], task: str) -> set[tuple[Any, ...]]:
    return {(split, *run.scored_on(task, split)) for run in group for split in run.headline(task)[:1]}


def _difference(
    group: Sequence[Run], first: Sequence[Run], task: str, split: str, metric: str
) -> dict[str, Any] | None:
    """Compare what the metric compared, row by row, with the seeds that both have; single runs with any seeds."""
    theirs = {run.seed: run for run in first}
    pairs = [(run, theirs[run.seed]) for run in group if run.seed in theirs]
    seeds = [run.seed for run, _ in pairs]
    if len(group) == len(first) == 1:
        pairs = [(group[0], first[0])]
    if not pairs:
        return None
    files = [[run.path / "scored" / f"{task}.{split}.json" for run in pair] for pair in pairs]
    if first[0].headline(task)[:2] != (split, metric) or not all(file.is_file() for pair in files for file in pair):
        return None
    found = difference(metric, [(read_scored(ours), read_scored(other)) for ours, other in files])
    if found is None:
        return None
    return {"difference": found[0].value, "low": found[0].low, "high": found[0].high, "paired_seeds": seeds}


def _names(groups: Sequence[Sequence[Run]]) -> dict[int, str]:
    """Name each group: its only run, or what the names of its runs begin with; the folder, where these repeat."""
    names = [_name(group, lambda run: run.name) for group in groups]
    paths = [_name(group, lambda run: str(run.path)) for group in groups]
    both = zip(groups, names, paths, strict=True)
    return {id(group): path if names.count(name) > 1 else name for group, name, path in both}


def _name(group: Sequence[Run], name: Callable[[Run], str]) -> str:
    if len(group) == 1:
        return name(group[0])
    letters = zip(*map(name, group), strict=False)
    common = "".join(alike[0] for alike in takewhile(lambda each: len(set(each)) == 1, letters)).rstrip("-_./= ")
    return f"{common or name(group[0])} ({len(group)} seeds)"


def _has_prompts(run: Run) -> bool:
    if run.results is not None:
        return "prompt" in run.results["parameters"]
    try:
        return method_named(run.method).has_prompts
    except UserError:  # a method of the user's own
        return True


def _mean(values: Sequence[float]) -> float | None:
    return statistics.mean(values) if values else None


def _std(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None


def _sorted(lines: list[dict[str, Any]], sort: str | None, metric: str) -> list[dict[str, Any]]:
    """Sort by a column, the best scores first; lines without a value come last."""
    if sort is None:
        return lines
    down = sort in LARGEST_FIRST and (metric not in METRICS or METRICS[metric].higher_is_better)
    key = {"train rows": "trained_on"}.get(sort, sort)
    known, unknown = ([line for line in lines if (line[key] is None) == lacks] for lacks in (False, True))
    return sorted(known, key=lambda line: _order(line[key]), reverse=down) + unknown


def _order(value: Any) -> tuple[float, str]:
    """Order numbers by size and before all else, which is ordered as text: a prompt's length may be a list."""
    return (value, "") if isinstance(value, int | float) else (math.inf, str(value))
