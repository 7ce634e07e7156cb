"""Several processes, one run. A rank is a process with one device; rank zero is the one that writes and prints.

All of this holds for a single process too: it is rank zero, with a world size of one. What ranks tell one another goes
through torch's process group, which `together` opens before anything is written.
"""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from ptv2.errors import Joint, Lost
from ptv2.runtime.rank_zero import is_zero
from ptv2.runtime.stop import Stopped

if TYPE_CHECKING:  # what only answers rows goes without the seconds that it takes
    import lightning as L

LOST = ("gloo/transport", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out waiting")
"""What gloo says, in a plain RuntimeError, where NCCL and the store raise a DistError."""


PATIENCE = 30  # seconds in which ranks that end together have ended


def joined() -> bool:
    """Tell whether there is a process group."""
    return dist.is_available() and dist.is_initialized()


def world() -> int:
    """Return the world size: the number of ranks of the process group."""
    return dist.get_world_size() if joined() else 1


def rank() -> int:
    """Return the rank of this process in the process group."""
    return dist.get_rank() if joined() else 0


def gather(value: Any) -> list[Any]:
    """Gather the value of each rank, on all ranks, in their order."""
    if world() == 1:
        return [value]
    values: list[Any] = [None] * world()
    dist.all_gather_object(values, value)
    return values


def summed(values: Sequence[float], device: torch.device | str = "cpu") -> list[float]:
    """Sum each number over the ranks; the sums are the same on all of them."""
    if world() == 1:
        return list(values)
    totals = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(totals)
    return totals.tolist()


def wait() -> None:
    """Wait until all ranks are here."""
    if world() > 1:
        dist.barrier()


def silence_others() -> None:
    """Let ranks other than zero print errors alone: what all of them would say is said once."""
    if not is_zero():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
        warnings.simplefilter("ignore")


@contextmanager
def together(trainer: "L.Trainer", module: "L.LightningModule") -> Iterator[None]:
    """Bring all ranks together: start their processes where nothing else has, and wait for all of them.

    What every rank looks up for itself (is the run finished? where does it resume?) is looked up before this, what
    rank zero writes is written inside, so no rank sees a folder that another has begun to change.

    Raises:
        Lost: another rank has ended, or did not answer within `run.timeout`.
    """
    if trainer.world_size == 1:
        yield
        return
    setup, launcher = trainer.strategy.setup_environment, trainer.strategy.launcher
    try:
        trainer.strategy.connect(module)  # some strategies set up their environment only when they have a module
        launcher.launch(setup, trainer=trainer) if launcher is not None else setup()
        yield
    except BaseException as error:
        end_others(getattr(launcher, "procs", []), PATIENCE if joint(error) else 0)
        lost = isinstance(error, dist.DistError) or any(words in str(error) for words in LOST)
        if not (isinstance(error, RuntimeError) and lost):
            raise
        raise Lost(
            f"another rank has ended or did not answer ({str(error).splitlines()[0]})",
            where=f"rank {trainer.global_rank}",
            do="see its messages above, or its own log",
        ) from error


def joint(error: BaseException) -> bool:
    """Tell whether all ranks end with this error, and together."""
    return isinstance(error, Joint) or (isinstance(error, Stopped) and error.saved is not None)


def end_others(processes: list[subprocess.Popen], seconds: float) -> None:
    """Kill the ranks that this one has started and that do not end by themselves within so many seconds."""
    children = processes.copy()
    # Lightning's observer has the same list. It looks every five seconds, and kills this process for their exit codes.
    processes.clear()
    end = time.monotonic() + seconds
    try:
        for process in children:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
    finally:  # whatever interrupts the waiting
        for process in children:
            process.kill()
