"""Submit to SLURM: `python -m ptv2.slurm --config FILE [--array KEY=A,B] [--print] [key=value ...]`.

Writes an sbatch script and submits it: one task per device, one log that is continued, and SIGUSR1 some time before the
limit, on which the run saves and puts its job back into the queue. Several configs, or several values of a key, make
an array with a run for each.
"""

import argparse
import itertools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.commands import shell as command
from ptv2.config.load import load_config
from ptv2.config.schema import Config
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.study.config import Study

SCRIPT = """#!/bin/bash
{directives}

export MASTER_ADDR={address}
case "${{SLURM_ARRAY_TASK_ID:-0}}" in
{cases}
esac
# SIGUSR1 is for the ranks, and must not kill one that is still starting up.
trap '' USR1
srun --kill-on-bad-exit=1 bash -c 'trap "" USR1; exec "$@"' rank {python} -m {door} "${{run[@]}}"
"""


@dataclass
class Run:
    """One element of the array: what `ptv2.fit` is called with, and the config that this means."""

    path: Path
    overrides: list[str]
    config: Config
    imports: list[str]

    @property
    def words(self) -> list[str]:
        imports = command.import_words([str(Path(file).resolve()) for file in self.imports])
        return ["--config", str(self.path.resolve()), *imports, *self.overrides]


@dataclass
class Worker(Run):
    """One element of the array of a comparison: all of them run the same command and divide its cells."""

    jobs: int

    @property
    def words(self) -> list[str]:
        return [*super().words, "--jobs", str(self.jobs)]


def main(options: argparse.Namespace) -> None:
    runs = make_runs(options.config, options.array, options.overrides, options.imports)
    text = script(runs, options.time, options.warn, options.sbatch)
    if options.print:
        print(text, end="")
        return
    job = submit(text, runs[0].config)
    print(f"job {job}: {', '.join(run.config.run.name for run in runs)}; log: {_log(runs, job)}")


def submit_workers(study: "Study", options: argparse.Namespace) -> None:
    """Submit, or print, an array whose jobs all run the same comparison: they divide its cells."""
    config = study.run_config(*study.pairs[0])
    config.run.name, config.run.folder = study.config.name, study.config.folder
    runs: list[Run] = [Worker(Path(study.where), [], config, options.imports, options.jobs)] * options.slurm
    text = script(runs, options.time, options.warn, options.sbatch, "ptv2.compare", options.jobs)
    if options.print:
        print(text, end="")
        return
    job = submit(text, config)
    print(f"job {job}: {options.slurm} jobs of {study.config.name}; log: {_log(runs, job)}")


def submit(text: str, config: Config) -> str:
    """Write an sbatch script beside the runs and submit it; return the job's id."""
    if shutil.which("sbatch") is None:
        raise UserError("no sbatch on this machine", where="command line", do="use --print")
    folder = Path(config.run.folder)
    file = folder / f"slurm-{_plain(config.run.name)}.sh"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        done = subprocess.run(["sbatch", "--parsable", str(file)], capture_output=True, text=True)
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror})", where=folder, do="choose another run.folder"
        ) from error
    if done.returncode:
        raise UserError(f"sbatch refuses it ({done.stderr.strip()})", where=file, do="see --sbatch")
    return done.stdout.strip().partition(";")[0]  # with several clusters, the cluster's name follows


def make_runs(paths: list[Path], arrays: list[str], overrides: list[str], imports: Sequence[str] = ()) -> list[Run]:
    """Make a run for each config and each value of the array keys, checked as `ptv2.fit` does.

    Raises:
        UserError: a config that cannot be used, runs of one name or on different devices.
    """
    values = []
    for item in arrays:
        key, equals, words = item.partition("=")
        if not equals or not words:
            raise UserError(f"'{item}'", where="--array", do="write e.g. --array seed=1,2,3")
        values.append([(key, word) for word in words.split(",")])
    runs = []
    for path, chosen in itertools.product(paths, itertools.product(*values)):
        own = [*overrides, *(f"{key}={word}" for key, word in chosen)]
        config = load_config(path, own, imports)
        if chosen:
            name = "-".join([config.run.name, *(f"{key.rpartition('.')[2]}{word}" for key, word in chosen)])
            own.append(f"run.name={name}")
            config = load_config(path, own, imports)
        runs.append(Run(path, own, config, list(imports)))
    seen: set[Path] = set()
    for run in runs:
        folder = Path(run.config.run.folder, run.config.run.name).resolve()
        if folder in seen:
            raise UserError("two runs would write here", where=folder, do="give each its own run.name")
        seen.add(folder)
        if run.config.run.overwrite:
            what = "would delete at every requeue what the job has done"
            raise UserError(what, where="run.overwrite", do="remove the old run yourself")
        if _shape(run.config) != _shape(runs[0].config):
            raise UserError("differs from the first run's devices", where=run.path, do="submit it on its own")
    return runs


def script(runs: list[Run], time: str | None, warn: int, more: list[str], door: str = "ptv2.fit", jobs: int = 1) -> str:
    """Write the sbatch script.

    Args:
        runs: the elements of the array, on devices alike.
        time: limit, as sbatch writes it; None: the partition's.
        warn: seconds before the limit at which the run saves and requeues its job.
        more: options of sbatch.
        door: what each element runs.
        jobs: processes that share a device's processors.
    """
    config = runs[0].config
    nodes, devices, gpus = _shape(config)
    directives = [
        f"--job-name=ptv2-{_plain(config.run.name)}",
        f"--output={_log(runs)}",
        "--open-mode=append",
        f"--chdir={Path.cwd()}",
        f"--nodes={nodes}",
        f"--ntasks-per-node={devices}",
        f"--cpus-per-task={jobs * (config.data.workers + 1)}",
        f"--signal=USR1@{warn}",
        "--requeue",
    ]
    directives += [f"--gpus-per-node={devices}"] if gpus else []
    directives += [f"--time={time}"] if time else []
    directives += [f"--array=0-{len(runs) - 1}"] if len(runs) > 1 else []
    first_node = '"$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"'
    return SCRIPT.format(
        directives="\n".join(f"#SBATCH {shlex.quote(option)}" for option in [*directives, *more]),
        address="127.0.0.1" if nodes == 1 else first_node,
        cases="\n".join(f"{i}) run=({shlex.join(run.words)}) ;;" for i, run in enumerate(runs)),
        python=shlex.quote(sys.executable),
        door=door,
    )


def _shape(config: Config) -> tuple[int, int, bool]:
    """Return the nodes, the devices on each, and whether these are GPUs."""
    trainer = config.trainer
    devices = trainer.get("devices", 1)
    devices = len(devices) if isinstance(devices, list) else devices
    if not str(devices).isdigit() or int(devices) < 1:
        raise UserError(f"is '{devices}'", where="trainer.devices", do="give a number, which SLURM is asked for")
    return trainer.get("num_nodes", 1), int(devices), trainer.get("accelerator", "auto") != "cpu"


def _log(runs: list[Run], job: str | None = None) -> Path:
    """Choose where the job's output goes: beside the run folders, which exist only once a run has begun."""
    run = runs[0].config.run
    number = job or ("%A_%a" if len(runs) > 1 else "%j")
    if job and len(runs) > 1:
        number = f"{job}_*"
    return Path(os.path.abspath(run.folder)) / f"slurm-{_plain(run.name)}-{number}.log"


def _plain(name: str) -> str:
    """Return a run's name as a part of a file's: it may name a folder within `run.folder`, as in boolq/first."""
    return name.replace("/", "-")


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.slurm", __doc__, imports=True)
    made.add_argument("--config", required=True, type=Path, action="append", help="YAML file of a run; may be repeated")
    made.add_argument("--array", action="append", default=[], metavar="KEY=A,B", help="a run for each of the values")
    command.add_sbatch(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
