"""Compare methods: `python -m ptv2.compare --config FILE`, or finished runs: `python -m ptv2.compare RUN [RUN ...]`.

With --config it is a study: methods x tasks x seeds on one base, each cell a run folder, and a table and a figure of
the finished ones. Run again, it does what is missing; processes and machines that share the folder divide the cells.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptv2.commands import shell as command
from ptv2.commands.report import table
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.study.plan import Plan


def main(options: argparse.Namespace) -> None:
    if options.config is not None:
        if options.runs:
            do = "give one of them; what a study runs stands in its file"
            raise UserError("--config and folders of runs", where="command line", do=do)
        compare_methods(options)
    elif options.runs:
        compare_runs(options.runs)
    else:
        raise UserError(
            "nothing to compare", where="command line", do="give --config FILE, or folders of finished runs"
        )


def compare_methods(options: argparse.Namespace) -> None:
    """Run the cells of a study that are not finished, and write its table."""
    from ptv2.study.config import read_study
    from ptv2.study.plan import Plan

    if options.jobs < 1:
        raise UserError(f"is {options.jobs}", where="--jobs", do="give a number from 1")
    study = read_study(options.config, options.imports)
    plan = Plan(study)
    plan.check_folder(write=not options.table)
    if options.slurm is not None:
        from ptv2.commands.slurm import submit_workers

        submit_workers(study, options)
        return
    failed = {} if options.table else run_open(plan, options.jobs)
    from ptv2.study.report import report

    if failed and not plan.finished():
        raise UserError(_failures(failed), where=study.folder, do="correct it and run this again")
    print(report(plan))
    print(f"table, data and figure: {study.results}", flush=True)
    if failed:
        raise UserError(_failures(failed), where=study.folder, do="the same command tries them again")


def run_open(plan: "Plan", jobs: int) -> dict[str, str]:
    """Run what is not finished, say how each cell went, and return why some failed."""
    from ptv2.runtime.stop import Stopped
    from ptv2.study.pool import run_cells
    from ptv2.study.script import said

    try:
        return run_cells(plan.open, jobs, said)
    except Stopped as stop:
        from ptv2.train.callbacks.signals import on_stop

        on_stop(stop)
        raise


def _failures(failed: dict[str, str]) -> str:
    first, why = next(iter(failed.items()))
    return f"{len(failed)} cell{'s' * (len(failed) > 1)} failed; {first}: {why}"


def compare_runs(paths: list[Path]) -> None:
    """Print a table from the results.json of finished runs."""
    runs = [read_results(path) for path in paths]
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
    print(f"curves: tensorboard --logdir {Path(paths[0]).parent}")


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
    made = command.parser("ptv2.compare", __doc__, imports=True)
    made.add_argument("--config", type=Path, help="YAML file of a study: methods, tasks and seeds on one base")
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="cells that run at a time (1)")
    made.add_argument("--table", action="store_true", help="write the table of the finished cells and run none")
    made.add_argument("--slurm", type=int, metavar="N", help="submit an array of N jobs that divide the cells")
    command.add_sbatch(made)
    made.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folder of a finished run")
    return made
