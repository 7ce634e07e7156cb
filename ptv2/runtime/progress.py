"""How far a long task is, its rate and the time left: a line that is rewritten on a terminal, plain lines in a file."""

import sys
import time
from types import TracebackType
from typing import TextIO

from ptv2.runtime.rank_zero import is_zero

QUIET = 3.0  # seconds of silence at first: what is done by then needs no line
EVERY = 10.0  # seconds between two lines in a file
REDRAWN = 0.2  # seconds between two states of the line on a terminal


class Progress:
    """Count what is done of a task: `with Progress("scoring topics test", 4797) as progress: progress.add(64)`.

    Rank zero says it, on standard error, where no results are printed.

    Args:
        what: is done.
        total: how many of them there are; None: not known before the end.
        unit: what is counted, in the plural.
        out: where it is said; None: standard error.
    """

    def __init__(self, what: str, total: int | None, unit: str = "rows", out: TextIO | None = None):
        self.what, self.total, self.unit = what, total, unit
        self.out = sys.stderr if out is None else out
        self.terminal, self.said = self.out.isatty(), False
        self.done = 0
        self.began = self.last = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def add(self, count: int) -> None:
        """Count some more as done."""
        self.done += count
        now = time.monotonic()
        wait = (REDRAWN if self.terminal else EVERY) if self.said else QUIET
        if now - self.last >= wait and self.done != self.total:
            self.last = now
            how = pace(self.done, self.total, self.unit, now - self.began)
            of = "" if self.total is None else f" of {self.total:,}"
            self._say(f"{self.what}: {self.done:,}{of} {how}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.said:
            seconds = time.monotonic() - self.began
            ended = f"{self.done:,} {self.unit} in {clock(seconds)}, {shown_rate(self.done / seconds)} {self.unit}/s"
            self._say(f"{self.what}: {ended}", last=True)

    def _say(self, text: str, last: bool = False) -> None:
        self.said = True
        if not is_zero():
            return
        if self.terminal:
            print(f"\r\033[K{text}", end="\n" if last else "", file=self.out, flush=True)
        else:
            print(text, file=self.out, flush=True)


def pace(done: int, total: int | None, unit: str, seconds: float) -> str:
    """Write `rows, 120 rows/s, 34 s left`; without a total nothing is known to be left."""
    rate = done / seconds if seconds > 0 else 0.0
    if not rate:
        return unit
    left = "" if total is None else f", {clock((total - done) / rate)} left"
    return f"{unit}, {shown_rate(rate)} {unit}/s{left}"


def shown_rate(rate: float) -> str:
    """Write a rate: whole numbers from 10 on, two digits below."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def clock(seconds: float) -> str:
    """Write a time as people say it: 34 s, 5 min 10 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
