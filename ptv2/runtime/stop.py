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

GO_ON = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on


CODES = {signal.SIGTERM: GO_ON, signal.SIGUSR1: GO_ON, signal.SIGINT: 130}


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
        then = f"step {saved} is saved, the same command goes on from it" if saved is not None else "start it again"
        super().__init__(f"{what}; {then}")


class Asked:
    """Whether this process was asked to stop, and what happens then.

    While `holding`, a signal is only noted, for the training loop to read between two steps; at other times nothing
    would be lost, and the run ends where it stands.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nothing was asked of this process yet."""
        self.number: int | None = None
        self.holding = self.saving = False
        self.process = os.getpid()

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a worker just forked, which has not yet let go of our handlers
            return
        if self.saving:
            return
        if not self.holding:
            raise Stopped(number)
        if number == self.number == signal.SIGINT:
            raise KeyboardInterrupt  # a second Ctrl-C: somebody does not want to wait
        self.number = self.number or number


asked = Asked()


def note_early() -> None:
    """Note SIGUSR1 from now on; `handling` acts on it."""
    asked.reset()
    asked.holding = True
    signal.signal(signal.SIGUSR1, asked)


@contextmanager
def handling() -> Iterator[None]:
    """SIGTERM and SIGUSR1 raise `Stopped` inside, unless they are held.

    Raises:
        Stopped: one came before.
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
    """SIGTERM, SIGUSR1 and the first Ctrl-C are only noted inside."""
    asked.reset()
    asked.holding = True
    before = _install(*CODES)
    try:
        yield
    finally:
        asked.holding = False
        _restore(before)


def leave_signals(_worker: int = 0) -> None:
    """For a process that loads data: signals are its parent's business, which ends it when it is time.

    A group of processes gets its signals together, and a worker that dies of one would fail the step to be finished.
    What goes wrong in loading reaches the parent as an error; a thread of a worker whose parent has gone says nothing.
    """
    sys.excepthook = lambda *_: None
    for number in CODES:
        signal.signal(number, signal.SIG_IGN)


@atexit.register
def _end_workers() -> None:
    """Python waits at its exit for children that it asks to end with SIGTERM, which ours ignore."""
    for child in multiprocessing.active_children():
        child.kill()


def _install(*numbers: int) -> dict[int, object]:
    if threading.current_thread() is not threading.main_thread():
        return {}  # Python has signals in the main thread only
    return {number: signal.signal(number, asked) for number in numbers}


def _restore(before: dict[int, object]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
