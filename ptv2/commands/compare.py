"""Compare runs: `python -m ptv2.compare RUN [RUN ...]`, a table from their results.json."""

import argparse
import json
from pathlib import Path
from typing import Any

from ptv2.commands import shell as command
from ptv2.commands.report import table
from ptv2.errors import UserError


def main(options: argparse.Namespace) -> None:
    runs = [read_results(path) for path in options.runs]
    rows = []
    for task, card in dict.fromkeys(pair for run in runs for pair in run["tasks"].items()):
        several = [run for run in runs if run["tasks"].get(task) == card]
        for run in several:
            split, metric, value = headline(run, task)
            rows.append([f"{run['name']} ({run['method']})", card, f"{split} {metric}", value, trained(run)])
        split, metric, _ = headline(several[0], task)
        baseline = several[0]["baseline"][task].get(split, {}).get(metric)
        rows.append(["trivial baseline", card, f"{split} {metric}", baseline, 0])
    table("runs", ["run", "task", "metric", "score", "trainable"], rows)
    print(f"curves: tensorboard --logdir {Path(options.runs[0]).parent}")


def read_results(path: Path) -> dict[str, Any]:
    """Read results.json of a run folder.

    Raises:
        UserError: not a run folder, or the run is not finished or was not scored.
    """
    file = path / "results.json"
    if not file.is_file():
        raise UserError("no results.json here", where=path, do="give the folder of a finished run")
    do = "run it again with run.overwrite=true"
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read ({error})", where=file, do=do) from error
    if isinstance(results, dict) and results.get("scores") == {}:
        raise UserError("has no scores", where=path, do="give its task validation or test rows")
    try:
        for task in results["tasks"]:
            headline(results, task)
            dict(results["baseline"][task])
        _ = trained(results), results["name"], results["method"]
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise UserError("these are not the results of a run", where=file, do=do) from error
    return results


def headline(run: dict[str, Any], task: str) -> tuple[str, str, float]:
    """Return split, metric and value of a task's main score: on the test set where there is one."""
    split = "test" if task in run["scores"].get("test", {}) else "validation"
    metric, value = next(iter(run["scores"][split][task].items()))
    return split, metric, value


def trained(run: dict[str, Any]) -> int:
    return sum(part["trainable"] for part in run["parameters"].values())


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.compare", __doc__)
    made.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run")
    return made
