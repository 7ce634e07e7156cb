"""The thread that runs the backbone: one pass after the other, and between two of them whatever else touches it."""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ptv2.service.jobs import Job
from ptv2.service.limits import Limits
from ptv2.service.metrics import Metrics
from ptv2.service.passes import run
from ptv2.service.residents import Residents
from ptv2.service.waiting import Taken, Waiting


class Engine:
    """Takes jobs and calls from other threads.

    Args:
        residents: what is joined to the backbone; nobody else uses it while the thread runs.
        limits: of a pass.
        metrics: that passes are counted in.
    """

    def __init__(self, residents: Residents, limits: Limits, metrics: Metrics):
        self.residents, self.metrics = residents, metrics
        self._waiting = Waiting(limits.batch_rows, limits.batch_tokens)
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._changed, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="ptv2-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Let a job wait for its passes; `job.done` says when all are over."""
        with self._changed:
            if job.pieces:
                self._waiting.add(job)
                self._changed.notify()

    def drop(self, job: Job) -> None:
        """Forget a job: its pieces that no pass has taken yet never are."""
        with self._changed:
            self._waiting.drop(job)
        job.done.cancel()

    def call(self, what: Callable[[], Any]) -> Future[Any]:
        """Run a function between two passes."""
        made: Future[Any] = Future()
        with self._changed:
            self._calls.append((what, made))
            self._changed.notify()
        return made

    @property
    def waiting(self) -> int:
        """Number of features that no pass has taken yet."""
        with self._changed:
            return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Finish what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._waiting.jobs or self._closing)
                call = self._calls.popleft() if self._calls else None
                taken = self._waiting.take() if call is None else []
            if call is not None:
                _called(*call)
            elif taken:
                self._pass(taken)
            else:
                return

    def _pass(self, taken: Taken) -> None:
        started = time.perf_counter()
        try:
            outputs = run(self.residents, taken)
        except Exception as error:  # the requests of this pass fail, the server goes on
            traceback.print_exc(file=sys.stderr)
            for job in {job for job, _ in taken}:
                with self._changed:
                    self._waiting.drop(job)
                job.fail(error)
            return
        artifacts = len({id(job.joined) for job, _ in taken})
        self.metrics.passed(len(taken), artifacts, time.perf_counter() - started)
        for (job, piece), output in zip(taken, outputs, strict=True):
            job.keep(piece, output)


def _called(what: Callable[[], Any], made: Future[Any]) -> None:
    if not made.set_running_or_notify_cancel():
        return
    try:
        made.set_result(what())
    except Exception as error:
        made.set_exception(error)
