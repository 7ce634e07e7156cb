"""What the cells of a comparison do: a run of `fit`, and what is measured of it.

The libraries are imported when a cell is run: the process that only hands cells out needs none of them.
"""

import math
import shutil
from typing import Any

from ptv2.config.load import make_config
from ptv2.config.merge import read_mapping
from ptv2.errors import NonFinite, UserError
from ptv2.study.cell import Cell, Line


def trial(cell: Cell) -> dict[str, Any]:
    """Train with one learning rate and return how good the validation score is; None for a run that diverged."""
    from ptv2.metrics.table import goodness
    from ptv2.train.fit import fit

    config = make_config(cell.settings["values"], cell.settings["overrides"])
    (name,) = config.tasks
    try:
        scores = fit(config)["scores"]
    except NonFinite as error:
        print(error)
        return {"validation": None}
    if "validation" not in scores:
        what = "has no validation rows, by which the learning rate is chosen"
        raise UserError(what, where=f"tasks.{name}.dataset", do="name a validation split or file, or give one rate")
    metric = config.tasks[name].metrics[0]
    for part in ("checkpoints", "prompt", "predictions", "scored"):
        shutil.rmtree(cell.path / part, ignore_errors=True)
    return {"validation": goodness(metric, scores["validation"][name][metric])}


def measure(cell: Cell) -> dict[str, Any]:
    """Train, score the test rows, and return all that the table shows of a cell.

    The learning rate is that of the best trial, where there were any; a run with another one, chosen before there were
    as many trials, is removed. The checkpoints, which only resuming needs, are removed at the end; the artifact and the
    predictions stay.
    """
    from ptv2.study.measures import measures
    from ptv2.train.fit import fit

    trials = cell.settings["trials"]
    chosen = [f"optim.lr={best_rate(trials)!r}"] if trials else []
    config = make_config(cell.settings["values"], [*cell.settings["overrides"], *chosen])
    if cell.expected:
        leave_other_run(cell, config.optim.lr)
    results = fit(config)
    (name,) = config.tasks
    if not results["scores"]:
        raise UserError("has no scores", where=f"tasks.{name}.dataset", do="give its task validation or test rows")
    split = "test" if "test" in results["scores"] else "validation"
    metric = config.tasks[name].metrics[0]
    score = results["scores"][split][name][metric]
    trivial = results["baseline"][name].get(split, {}).get(metric)
    trained = sum(part["trainable"] for part in results["parameters"].values())
    scores = {
        "metric": metric,
        "split": split,
        "score": score,
        "trivial baseline": trivial,
        "gain": None if trivial is None else score - trivial,
        "scores": results["scores"][split][name],
        "trainable": trained,
        "share": trained / results["parameters"]["backbone"]["total"],
        "artifact": results["artifact_bytes"],
        "minutes": results["wall_seconds"] / 60,
        "tokens/s": results["tokens_per_second"],
        "memory": results["peak_memory"]["rss"],
        "GPU memory": results["peak_memory"]["cuda"],
        "rate": _trained_with(cell),
        "steps": results["steps"],
        "best step": results["best_step"],
    }
    scores |= measures(config, cell.path, cell.settings["outside"])
    shutil.rmtree(cell.path / "checkpoints", ignore_errors=True)
    return scores


def best_rate(trials: list[Line]) -> float:
    """Return the rate with the best validation score, the first of equal ones; a trial that diverged has none.

    Raises:
        UserError: all of them diverged.
    """
    if (rate := chosen_rate(trials)) is None:
        key, rates = trials[0]["cell"], ", ".join(str(line["cell"]["rate"]) for line in trials)
        what = f"every rate of method '{key['method']}' on task '{key['task']}' diverged ({rates})"
        raise UserError(what, where="rates", do="try lower ones")
    return rate


def chosen_rate(trials: list[Line]) -> float | None:
    """Return the rate that these trials choose, as `best_rate` does; None where none of them has a score."""
    scores = {line["cell"]["rate"]: line["scores"]["validation"] for line in trials}
    scored = {rate: score for rate, score in scores.items() if score is not None and not math.isnan(score)}
    return max(scored, key=scored.__getitem__) if scored else None


def leave_other_run(cell: Cell, rate: float) -> None:
    """Empty the folder of a run with another learning rate, which was chosen before; a run with this one resumes.

    The folder is renamed first: one that is removed in part would resume from what is left.
    """
    config = cell.path / "config.yaml"
    if cell.path.is_dir() and not (config.is_file() and _trained_with(cell) == rate):
        aside = cell.path.with_name(f"{cell.path.name}.stale")
        shutil.rmtree(aside, ignore_errors=True)
        cell.path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _trained_with(cell: Cell) -> float:
    """Return the learning rate of the cell's run, which may have chosen it itself."""
    return read_mapping(cell.path / "config.yaml", "a config")["optim"]["lr"]
