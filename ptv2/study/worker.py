"""What one process does with one cell: claim it, do its work, write that it is finished, and say how it went."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ptv2.errors import UserError
from ptv2.runtime.stop import Stopped, handling
from ptv2.study import claim
from ptv2.study.cell import Cell


@dataclass(frozen=True)
class Outcome:
    """How a cell went: finished, failed, stopped, or taken by another process."""

    word: str
    why: str = ""


def work(cell: Cell, threads: int, gpu: str | None, answer: Connection) -> None:
    """Do a cell in this process and send an `Outcome`.

    Args:
        cell: to do.
        threads: that it may compute with.
        gpu: what CUDA_VISIBLE_DEVICES is to be; None: as it is.
        answer: where the outcome goes.
    """
    import torch  # the server that this process was forked from has it; the one that asks for cells needs none of it

    from ptv2.backbone import quiet_transformers

    _write_into_log(cell)
    torch.set_num_threads(threads)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    quiet_transformers()
    try:
        with handling():
            outcome = _done(cell)
    except UserError as error:
        outcome = Outcome("failed", str(error))
    except (Stopped, KeyboardInterrupt) as stop:
        outcome = Outcome("stopped", str(stop))
    except Exception as error:  # a defect: its traceback is in the log, and the other cells go on
        traceback.print_exc()
        outcome = Outcome("failed", f"{type(error).__name__}: {error} (traceback in {cell.log})")
    sys.stdout.flush()
    sys.stderr.flush()
    answer.send(outcome)


def _done(cell: Cell) -> Outcome:
    from ptv2.runtime.environment import environment

    held = claim.take(cell.claim)
    if held is None:
        return Outcome("taken")
    try:
        if not cell.accepts(cell.read()):  # another process may just have finished it
            with _signs_of_life(held):
                scores = cell.work(cell)
            cell.write(scores, environment())
        return Outcome("finished")
    finally:
        held.release()


@contextmanager
def _signs_of_life(held: claim.Claim) -> Iterator[None]:
    """Touch the claim from time to time, and stop this process, as a signal would, when its parent has ended."""
    done, parent = threading.Event(), multiprocessing.parent_process()

    def watch() -> None:
        while not done.is_set():
            if parent is not None:
                parent.join(claim.TOUCH)
                if not parent.is_alive() and not done.is_set():
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
            elif done.wait(claim.TOUCH):
                return
            held.touch()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _write_into_log(cell: Cell) -> None:
    """Let everything that this process prints go to the cell's log."""
    cell.log.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(cell.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
