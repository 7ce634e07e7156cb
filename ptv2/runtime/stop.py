"""Signals: a run is asked to stop, finishes its step, saves once, and says with its exit code why it ended.

Nothing is imported here but the standard library: the entry point calls `note_early` before the imports that take
seconds, in which an unhandled SIGUSR1 would end the process.
"""

import atexit
import multiprocessing.util  # registers its end at exit, so ours below runs before it
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

RESUMABLE = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command resumes

CODES = {signal.SIGTERM: RESUMABLE, signal.SIGUSR1: RESUMABLE, signal.SIGINT: 130}


class Stopped(BaseException):
    """The run ends early because it was asked to. Like KeyboardInterrupt, no `except Exception` stops it.

    Args:
        number: the signal.
        saved: the step that was saved, by all ranks together; None: there was nothing to save.
    """

    def __init__(self, number: int, saved: int | None = None):
        self.signal, self.saved = signal.Signals(number), saved
        self.code = CODES[self.signal]
        what = "interrupted" if self.signal == signal.SIGINT else f"stopped by {self.signal.name}"
        then = f"step {saved} is saved, the same command resumes from it" if saved is not None else "start it again"
        super().__init__(f"{what}; {then}")


class Asked:
    """The request to stop that this process got, and what happens then.

    While `holding`, a signal is only noted, for the training loop to read between two steps; at other times nothing
    would be lost, and the run ends where it stands.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was asked of this process."""
        self.number: int | None = None
        self.holding = self.saving = False
        self.process = os.getpid()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a worker that was just forked and still has our handlers
            return
        if self.saving:
            return
        if not self.holding:
            raise Stopped(number)
        if number == self.number == signal.SIGINT:
            raise KeyboardInterrupt  # a second Ctrl-C: the user does not want to wait
        self.number = self.number or number


asked = Asked()


def note_early() -> None:
    """Note SIGUSR1 from now on; `handling` acts on it."""
    asked.reset()
    asked.holding = True
    signal.signal(signal.SIGUSR1, asked)


@contextmanager
def handling() -> Iterator[None]:
    """Raise `Stopped` for SIGTERM and SIGUSR1 inside the block, unless they are held.

    Raises:
        Stopped: a signal came before the block.
    """
    early = asked.number
    asked.reset()
    if early is not None:
        raise Stopped(early)
    before = _install(signal.SIGTERM, signal.SIGUSR1)
    try:
        yield
    finally:
        _restore(before)
        asked.reset()


@contextmanager
def held() -> Iterator[None]:
    """Only note SIGTERM, SIGUSR1 and the first Ctrl-C inside the block."""
    asked.reset()
    asked.holding = True
    before = _install(*CODES)
    try:
        yield
    finally:
        asked.holding = False
        _restore(before)


def leave_signals(_worker: int = 0) -> None:
    """Ignore signals in a DataLoader worker: they are for its parent, which ends the worker when it is time.

    A group of processes gets its signals together, and a killed worker would fail the step to be finished. Errors in
    loading reach the parent; a thread of a worker whose parent has ended prints nothing.
    """
    sys.excepthook = lambda *_: None
    for number in CODES:
        signal.signal(number, signal.SIG_IGN)


@atexit.register
def _end_workers() -> None:
    """Kill the workers: at its exit Python asks its children with SIGTERM to end and waits, but ours ignore SIGTERM."""
    for child in multiprocessing.active_children():
        child.kill()


def _install(*numbers: int) -> dict[int, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}  # Python has signals in the main thread only
    return {number: signal.signal(number, asked) for number in numbers}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
