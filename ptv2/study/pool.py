"""The processes that run cells: each cell in one of its own, several at a time, none twice.

They are forked from a server that has imported the libraries once, so a cell costs no start of seconds and its peak of
memory is its own.
"""

import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection, forkserver, get_context
from multiprocessing.context import ForkServerProcess
from typing import Any

from ptv2.runtime.shares import gpus, threads_each
from ptv2.runtime.stop import handling
from ptv2.study.cell import Cell
from ptv2.study.claim import holder
from ptv2.study.worker import Outcome, work

WAIT = 2.0  # seconds between two looks at what others have done


def run_cells(
    cells: Callable[[], Sequence[Cell]],
    jobs: int = 1,
    said: Callable[[Cell, Outcome], None] = lambda cell, outcome: None,
) -> dict[str, str]:
    """Run cells until there are none left; cells that other processes have claimed are waited for.

    Args:
        cells: lists what can be run now and is not finished, in order; asked again whenever something may have changed.
        jobs: how many at a time; they share the processors and the GPUs.
        said: is told how each cell went.

    Returns:
        Why each failed cell failed, by its name. No cell is run twice: neither one that failed, nor one that somebody
        with other rates finds stale once it is finished.

    Raises:
        Stopped: by a signal, once the running cells have saved and ended.
    """
    pool, failed, over, told = _Pool(jobs), dict[str, str](), set[str](), set[str]()
    with handling():
        try:
            while True:
                for cell, outcome in pool.ended():
                    if outcome.word == "failed":
                        failed[cell.name] = outcome.why
                    if outcome.word != "taken":
                        over.add(cell.name)
                        said(cell, outcome)
                todo = [cell for cell in cells() if cell.name not in over and cell.path not in pool.paths]
                free = [cell for cell in todo if holder(cell.claim) is None]
                for cell in free[: jobs - len(pool.paths)]:
                    pool.start(cell)
                if not pool.paths:
                    if not todo:
                        return failed
                    for cell in todo:
                        if cell.name not in told and (other := holder(cell.claim)) is not None:
                            told.add(cell.name)
                            print(f"{cell.name}: waiting for {other}", flush=True)
                    time.sleep(WAIT)
                pool.wait(WAIT)
        finally:
            pool.stop()


class _Pool:
    """The running processes, each with its cell."""

    def __init__(self, jobs: int):
        self.threads = threads_each(jobs)
        self.gpus = gpus() if jobs > 1 else []
        self.running: dict[ForkServerProcess, tuple[Cell, Any]] = {}
        self.on: dict[ForkServerProcess, str] = {}  # its GPU, where there are several
        self.context = get_context("forkserver")
        self.context.set_forkserver_preload(["ptv2.study.work"])
        # At a time limit SLURM sends SIGUSR1 to all processes, and the server would end of it.
        before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        forkserver.ensure_running()
        signal.signal(signal.SIGUSR1, before)

    @property
    def paths(self) -> list[object]:
        return [cell.path for cell, _ in self.running.values()]

    def start(self, cell: Cell) -> None:
        ours, theirs = self.context.Pipe(duplex=False)
        used = list(self.on.values())
        gpu = min(self.gpus, key=used.count, default=None)
        process = self.context.Process(target=work, args=(cell, self.threads, gpu, theirs))
        process.start()
        theirs.close()
        self.running[process] = cell, ours
        if gpu is not None:
            self.on[process] = gpu

    def wait(self, seconds: float) -> None:
        connection.wait([process.sentinel for process in self.running], timeout=seconds)

    def ended(self) -> list[tuple[Cell, Outcome]]:
        """Return the cells whose processes have ended since the last call, with how they went."""
        made = []
        for process, (cell, answer) in list(self.running.items()):
            if process.is_alive():
                continue
            process.join()
            killed = Outcome("failed", f"its process was killed ({_ending(process.exitcode)}); see {cell.log}")
            try:
                made.append((cell, answer.recv() if answer.poll() else killed))
            except EOFError:
                made.append((cell, killed))
            answer.close()
            del self.running[process]
            self.on.pop(process, None)
        return made

    def stop(self) -> None:
        """Ask the running processes to save and end, and wait until they have."""
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.join()


def _ending(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
