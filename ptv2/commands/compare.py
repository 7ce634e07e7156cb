"""Compare methods: `python -m ptv2.compare --config FILE`, or runs: `python -m ptv2.compare RUN [RUN ...]`.

Runs stand in a table, those that differ in their seed alone in one line. With --config it is a study: methods x tasks x
seeds on one base, each cell a run folder, and a table and a figure of the finished ones. Run again, it does what is
missing; processes and machines that share the folder divide the cells.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.commands import shell as command
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.study.plan import Plan


OF_RUNS, OF_STUDIES = ("json", "csv", "markdown", "sort"), ("jobs", "table", "slurm")
OF_SLURM = ("time", "sbatch", "print")
SORTED_BY = (
    *("run", "method", "score", "rows", "difference", "validation", "lr", "P", "train rows", "trained_on", "seconds"),
    *("seeds", "trainable"),
)


def main(options: argparse.Namespace) -> None:
    if options.slurm is None and (given := [f"--{name}" for name in OF_SLURM if getattr(options, name)]):
        raise UserError(f"{given[0]} is for jobs", where="command line", do="leave it out, or give --slurm N")
    if options.config is not None:
        if options.runs:
            do = "give one of them; what a study runs stands in its file"
            raise UserError("--config and folders of runs", where="command line", do=do)
        if given := [f"--{name}" for name in OF_RUNS if getattr(options, name)]:
            do = "leave it out; the table of a study is written as table.md, table.csv and table.jsonl"
            raise UserError(f"{given[0]} is for folders of runs", where="command line", do=do)
        compare_methods(options)
    elif options.runs:
        if given := [f"--{name}" for name in OF_STUDIES if getattr(options, name)]:
            do = "leave it out, or give --config FILE"
            raise UserError(f"{given[0]} is for a study", where="command line", do=do)
        from ptv2.commands.compare_runs import compare_runs

        compare_runs(options)
    else:
        raise UserError(
            "nothing to compare", where="command line", do="give --config FILE, or folders of finished runs"
        )


def compare_methods(options: argparse.Namespace) -> None:
    """Run the cells of a study that are not finished, and write its table."""
    from ptv2.study.config import read_study
    from ptv2.study.plan import Plan

    study = read_study(options.config, options.imports)
    options.jobs = options.jobs or study.config.jobs
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


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.compare", __doc__, imports=True)
    made.add_argument("--config", type=Path, help="YAML file of a study: methods, tasks and seeds on one base")
    count = command.number_from(1)
    made.add_argument("--jobs", type=count, metavar="N", help="cells that run at a time; else as the file says, or 1")
    made.add_argument("--table", action="store_true", help="write the table of the finished cells and run none")
    made.add_argument("--slurm", type=count, metavar="N", help="submit an array of N jobs that divide the cells")
    command.add_sbatch(made)
    made.add_argument("--sort", choices=SORTED_BY, help="column that the runs are sorted by; without: as given")
    form = made.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the runs as JSON")
    form.add_argument("--csv", action="store_true", help="print the runs as CSV")
    form.add_argument("--markdown", action="store_true", help="print the runs as a Markdown table")
    made.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folder of a run")
    return made
