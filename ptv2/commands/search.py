"""Search hyperparameters: `python -m ptv2.search --config FILE [--space KEY=VALUES] [key=value ...]`.

FILE is the config of the runs, or a search of its own with base and space. Every trial is a run that is scored on
validation rows; test rows are not read. Several processes may share a search: the same command, started again, joins it
or resumes it.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from shlex import quote

from ptv2.commands import shell as command
from ptv2.errors import UserError
from ptv2.runtime.shares import gpus, threads_each
from ptv2.runtime.stop import Stopped, handling


def main(options: argparse.Namespace) -> None:
    try:
        import optuna  # noqa: F401 - for the message
    except ImportError as error:
        raise UserError("needs Optuna", where="ptv2.search", do="pip install 'ptv2[search]'") from error
    from ptv2.train.search.plan import make_plan

    plan = make_plan(
        options.config,
        options.base,
        options.space,
        options.overrides,
        options.imports,
        sampler=options.sampler,
        trials=options.trials,
        prune=options.prune,
    )
    from ptv2.backbone import quiet_transformers
    from ptv2.commands.tables import table
    from ptv2.train.callbacks.signals import on_stop
    from ptv2.train.search.search import at_ends, best_of, open_study, search, table_of, write_found

    quiet_transformers()
    try:
        with handling():
            study = open_study(plan)
            if options.jobs > 1:
                parallel(options)
            else:
                search(study, lambda line: print(line, flush=True))
    except Stopped as stop:
        on_stop(stop)
        raise
    if options.job:
        return
    write_found(study)  # a process may have ended before it could
    trials = study.trials()
    title = f"{plan.config.run.name}: {len(trials)} of {plan.trials} trials, scores on {study.scored()}"
    table(title, *table_of(plan, trials), width=140)
    if (best := best_of(trials)) is None:
        why = next((trial.user_attrs["reason"] for trial in trials if "reason" in trial.user_attrs), "others still run")
        raise UserError(f"no trial has finished yet; the first: {why}", where=plan.folder)
    for key in at_ends(plan, best.params):
        print(
            f"the best {key} is {best.params[key]}, at an end of what was searched: a wider range may hold a better one"
        )
    best_file, logs = quote(str(plan.folder / "best.yaml")), quote(str(plan.folder))
    print(f"python -m ptv2.fit --config {best_file}   curves: tensorboard --logdir {logs}")


def parallel(options: argparse.Namespace) -> None:
    """Run the search in several processes: each is this command, and all share the study.

    Raises:
        UserError: one of them has ended with an error, which it has printed.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "ptv2.search", *words(options), "--job"], env=environment(job, options.jobs)
        )
        for job in range(options.jobs)
    ]
    try:
        codes = [process.wait() for process in started]
    except BaseException as stop:
        for process in started:  # each saves its step
            process.send_signal(stop.signal if isinstance(stop, Stopped) else signal.SIGTERM)
        for process in started:
            process.wait()
        raise
    if any(codes):
        bad = next(code for code in codes if code)
        raise UserError(f"{sum(map(bool, codes))} of {len(codes)} jobs ended early (exit code {bad})", where="--jobs")


def environment(job: int, jobs: int) -> dict[str, str]:
    """Share the machine out: each job its part of the threads, and a GPU where there are several."""
    shared = {"OMP_NUM_THREADS": str(threads_each(jobs))}
    if devices := gpus():
        shared["CUDA_VISIBLE_DEVICES"] = devices[job % len(devices)]
    return {**os.environ, **shared}


def words(options: argparse.Namespace) -> list[str]:
    """Write the options again that say what is searched."""
    made = ["--config", str(options.config), *command.import_words(options.imports)]
    for name in ("base", "sampler", "trials"):
        if (value := getattr(options, name)) is not None:
            made += [f"--{name}", str(value)]
    if options.prune is not None:
        made.append("--prune" if options.prune else "--no-prune")
    made += [word for item in options.space for word in ("--space", item)]
    return [*made, *(["--debug"] if options.debug else []), *options.overrides]


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.search", __doc__, imports=True)
    made.add_argument("--config", required=True, type=Path, help="YAML file of a run, or of a search (base, space)")
    made.add_argument("--base", type=Path, help="config of the runs, in the place of the file's")
    made.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="what a key may be: 4,8,16 or 1e-3..1e-2:log, or four values of a range 1e-3..1e-2:log:4; may be repeated",
    )
    made.add_argument("--sampler", choices=("grid", "random", "tpe"), help="how the space is searched (tpe)")
    made.add_argument(
        "--trials", type=command.number_from(1), metavar="N", help="number of runs; grid: all of its points"
    )
    made.add_argument("--prune", action=argparse.BooleanOptionalAction, help="end runs that stay behind the others")
    made.add_argument(
        "--jobs", type=command.number_from(1), default=1, metavar="N", help="processes on this machine (1)"
    )
    made.add_argument("--job", action="store_true", help=argparse.SUPPRESS)  # it is one of several processes
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the runs' config")
    return made
