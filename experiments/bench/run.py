"""How fast each system trains: all of them in turn, on the same rows, each in a process of its own.

Run: make bench, or python -m experiments.bench.run --quick. A run goes on where an earlier one on the same machine
ended: groups whose results are there are not measured again (--again). Results of another machine are replaced.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from experiments.bench import parts, peers, systems, writing
from experiments.bench.gate import Gate
from experiments.bench.plan import GROUPS, QUICK, QUICK_SYSTEMS, SYSTEMS, Group
from experiments.bench.report import FOLDER, write_report
from ptv2.backbone import quiet_transformers
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text

MACHINE = "cpu", "device", "threads", "versions"
"""Of an environment, what the results of one table have in common."""
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # so that asking for a GPU does not initialise CUDA here
RUNS: dict[str, Callable[..., None]] = {
    "floor": systems.floor,
    "keys": systems.keys,
    "ours": systems.ours,
    "parts": parts.parts,
    "trainer": peers.trainer,
    "generate": writing.generate,
}


class Worker:
    """A process that runs one system.

    Args:
        name: of the system.
        group: that it is measured in.
        threads: of torch.
        log: file that gets what it prints.
    """

    def __init__(self, name: str, group: Group, threads: int, log: Path):
        context = get_context("fork")  # libraries are imported once, for all
        self.name, (self.pipe, other) = name, context.Pipe()
        self.process = context.Process(target=work, args=(name, group, threads, log, self.pipe, other), daemon=True)
        self.process.start()
        other.close()

    def answer(self) -> dict[str, Any] | None:
        """Wait for what it says; None: it has failed."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None

    def window(self) -> dict[str, Any] | None:
        """Let it take the steps of one window."""
        self.pipe.send(True)
        return self.answer()

    def end(self) -> None:
        """Let it end."""
        with suppress(OSError):  # it has ended by itself
            self.pipe.send(False)
        self.process.join(10)
        self.process.kill()


def work(name: str, group: Group, threads: int, log: Path, ours: Any, pipe: Any) -> None:
    """Run a system until the gate ends the process."""
    ours.close()
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(threads)
    try:
        RUNS[SYSTEMS[name].does](group, SYSTEMS[name].options, Gate(pipe))
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def measure(group: Group, names: Sequence[str], asked: argparse.Namespace, until: float) -> dict[str, Any]:
    """Let the systems of a group take turns, window by window, and return the windows of each."""
    shutil.rmtree(systems.RUNS, ignore_errors=True)
    systems.RUNS.mkdir(parents=True)
    workers: list[Worker] = []
    for name in names:  # one after the other: peaks of memory are those of one process, and loading is not measured
        worker = Worker(name, group, asked.threads, systems.RUNS / f"{name}.log".replace(" ", "-"))
        if worker.answer() is None or worker.window() is None:  # the first window warms up
            print(f"  {name}: failed, see {systems.RUNS}", file=sys.stderr, flush=True)
            worker.end()
        else:
            workers.append(worker)
    found: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
    for number in range(asked.rounds):
        if number >= 2 and time.monotonic() > until:
            break
        for worker in random.Random(number).sample(workers, len(workers)):
            if (window := worker.window()) is not None:
                found[worker.name].append(window)
    for worker in workers:
        worker.end()
    return {"threads": asked.threads, "windows": found}


def can_run(name: str) -> bool:
    """Tell whether the machine computes in the system's dtype: emulated, a step in bf16 takes ten times as long."""
    return "bf16" not in name or torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()


def surroundings() -> dict[str, Any]:
    """Ask for the environment in a process of its own: CUDA must not be initialised in the one that forks."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(environment)


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--only", nargs="+", metavar="GROUP", help=f"groups: {', '.join(g.name for g in GROUPS)}")
    made.add_argument("--systems", nargs="+", metavar="NAME", help="systems of a group")
    made.add_argument("--rounds", type=int, default=5, help="windows of each system (5)")
    made.add_argument("--minutes", type=float, default=15, help="no group begins later, and rounds end (15)")
    made.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, in each process")
    made.add_argument("--quick", action="store_true", help="three minutes: the shortest and the longest rows")
    made.add_argument("--again", action="store_true", help="measure also what is measured")
    made.add_argument("--report", action="store_true", help="measure nothing, write table, figure and README again")
    made.add_argument("--try", dest="tried", action="store_true", help="print the results and write nothing")
    made.add_argument("--clock", choices=("seconds", "cpu"), default="seconds", help="cpu: on a machine that is busy")
    return made.parse_args(words)


def main() -> None:
    quiet_transformers()
    asked, file = options(), FOLDER / "results.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() and not asked.tried else {}
    here = surroundings() | {"threads": asked.threads}
    if not asked.report and any(known.get("environment", {}).get(key) != here[key] for key in MACHINE):
        known = {}
    groups = [g for g in GROUPS if g.name in (asked.only or (QUICK if asked.quick else [g.name for g in GROUPS]))]
    minutes, planned = (3 if asked.quick else asked.minutes), sum(group.share for group in groups)
    began = time.monotonic()
    for group in [] if asked.report else groups:
        if group.name in known.get("groups", {}) and not asked.again:
            print(f"{group.name}: measured on this machine before (--again measures it again)", flush=True)
            continue
        left = began + 60 * minutes - time.monotonic()
        if left <= 0:
            print(f"{group.name}: no time left, run it again", file=sys.stderr)
            continue
        print(group.name, flush=True)
        wanted = asked.systems or (QUICK_SYSTEMS if asked.quick else group.systems)
        until = time.monotonic() + min(left, 60 * minutes * group.share / planned)
        made = measure(group, [name for name in group.systems if name in wanted and can_run(name)], asked, until)
        if not any(made["windows"].values()):
            continue
        known = {"clock": asked.clock, "environment": here} | known
        known.setdefault("groups", {})[group.name] = made
        if not asked.tried:
            FOLDER.mkdir(parents=True, exist_ok=True)
            write_text(file, json.dumps(known, indent=1) + "\n")
    if known:
        write_report(known, files=not asked.tried)


if __name__ == "__main__":
    main()
