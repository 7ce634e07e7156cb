"""What the routes ask for: rows answered, artifacts loaded and unloaded, all within the limits."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ptv2.config.run import PredictionsConfig
from ptv2.errors import UserError, nearest
from ptv2.model.predictions import Record
from ptv2.rows.asked import of_python
from ptv2.service.engine import Engine
from ptv2.service.folder import ArtifactFolder
from ptv2.service.jobs import Job, read_job
from ptv2.service.limits import Limits
from ptv2.service.metrics import Metrics
from ptv2.service.refused import Refused
from ptv2.service.residents import Joined, Resident, Residents

T = TypeVar("T")


@dataclass
class Question:
    """Rows for an artifact."""

    artifact: str
    rows: list[Any]
    task: str | None = None
    skip: bool = False
    shown: PredictionsConfig | None = None
    # Makes the rows once the artifact is known, and what `generate` is to do beside its card; it may refuse.
    prepare: Callable[[Joined], tuple[list[Any], dict[str, Any]]] | None = None


class Service:
    """Artifacts by name, and the thread that answers.

    Args:
        folder: that artifacts may be loaded from.
        residents: what they are joined to.
        limits: of requests.
    """

    def __init__(self, folder: ArtifactFolder, residents: Residents, limits: Limits):
        self.folder, self.residents, self.limits, self.metrics = folder, residents, limits, Metrics()
        self.engine = Engine(residents, limits, self.metrics)
        self.held: dict[str, Resident] = {}
        self.stopping = False
        self._rows = 0  # of requests that were taken and have no answer yet
        # Tokenizers and most of reading hold the GIL or cannot be shared: one thread for all.
        self._reading = ThreadPoolExecutor(1, "ptv2-reading")

    # -- rows ----------------------------------------------------------------------------------------------------------

    async def answer(self, question: Question, gone: Callable[[], Awaitable[Any]]) -> tuple[Job, list[Record | None]]:
        """Answer rows as `predict` does, within `limits.seconds`.

        Args:
            question: the rows.
            gone: returns once the client has hung up.

        Raises:
            Refused: an unknown artifact, rows that it cannot answer, or no room or time for them.
        """
        resident, count, started = self._resident(question.artifact), len(question.rows), time.monotonic()
        self._admit(count)
        self._rows += count
        work, watch = asyncio.ensure_future(self._answer(resident, question)), asyncio.ensure_future(gone())
        try:
            await asyncio.wait({work, watch}, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                job, records = work.result()
                self.metrics.answered(count, time.monotonic() - started)
                return job, records
            if watch.done():
                self.metrics.gone += 1
                raise Refused(499, "gone", "the client hung up")
            what = f"no answer within {self.limits.seconds} seconds"
            raise Refused(503, "time_out", what, self.retry_after())
        finally:
            self._rows -= count
            for task in (work, watch):
                task.cancel()

    async def _answer(self, resident: Resident, question: Question) -> tuple[Job, list[Record | None]]:
        try:
            joined = await self._between_passes(partial(self.residents.join, resident))
        except UserError as error:
            raise Refused(409, "unusable", str(error)) from error
        job = await self._read(self._job, joined, question)
        try:
            self.engine.submit(job)
            await asyncio.wrap_future(job.done)
        except UserError as error:
            raise Refused(422, "bad_settings", str(error)) from error
        except asyncio.CancelledError:
            self.engine.drop(job)
            raise
        return job, await self._read(job.records, question.shown or PredictionsConfig())

    def _job(self, joined: Joined, question: Question) -> Job:
        rows, settings = question.prepare(joined) if question.prepare else (question.rows, {})
        try:
            with self.residents.tokenizing:
                return read_job(joined, of_python(rows), question.task, question.skip, self.limits.tokens, settings)
        except UserError as error:
            raise Refused(422, "bad_rows", str(error)) from error
        except RecursionError as error:
            raise Refused(422, "bad_rows", "a row holds lists within lists too deep to read") from error

    def _admit(self, count: int) -> None:
        self.check_open()
        if not count:
            raise Refused(422, "no_rows", "there are no rows; give at least one")
        if count > self.limits.rows:
            what = f"{count} rows, a request may have {self.limits.rows}; send them in several"
            raise Refused(413, "too_many_rows", what)
        if self._rows and self._rows + count > self.limits.waiting:
            what = f"{self._rows} rows wait already; try again later"
            raise Refused(429, "queue_full", what, self.retry_after())

    def check_open(self) -> None:
        """Refuse requests that come after the server was asked to stop."""
        if self.stopping:
            raise Refused(503, "stopping", "the server is stopping", self.limits.stop_seconds)

    def retry_after(self) -> int:
        """Estimate in how many seconds the rows that wait now are answered."""
        return min(60, max(1, math.ceil(self._rows / self.metrics.rate)))

    # -- artifacts -----------------------------------------------------------------------------------------------------

    def resident(self, name: str) -> Resident:
        """Read an artifact of the folder and check that it can share the backbone; nothing changes yet.

        Raises:
            Refused: there is none of this name.
            UserError: it cannot be used.
        """
        artifact, version = self.folder.read(name)
        self.residents.check(artifact)
        return Resident(name, version, artifact)

    async def load(self, name: str) -> tuple[Resident, bool]:
        """Load an artifact, or load it again from its files; tell whether the name is new.

        Rows that were taken before are answered by the one before.

        Raises:
            Refused: there is none of this name, or it cannot be used.
        """
        self.check_open()
        self.folder.place(name)
        try:
            made = await asyncio.to_thread(self.resident, name)
            await self._between_passes(partial(self.residents.join, made))
        except UserError as error:
            raise Refused(409, "unusable", str(error)) from error
        before, self.held[name] = self.held.get(name), made
        if before is not None and before.version != made.version:
            await self._between_passes(partial(self.residents.forget, before))
        self.metrics.loads += 1
        return made, before is None

    async def unload(self, name: str) -> Resident:
        """Forget an artifact; rows that were taken are answered.

        Raises:
            Refused: none of this name is loaded.
        """
        resident = self._resident(name)
        del self.held[name]
        await self._between_passes(partial(self.residents.forget, resident))
        return resident

    def _resident(self, name: str) -> Resident:
        if name not in self.held:
            what = f"no artifact '{name}' is loaded; {nearest(name, list(self.held)[:20]) if self.held else ''}"
            raise Refused(404, "no_such_artifact", what)
        return self.held[name]

    # -- threads -------------------------------------------------------------------------------------------------------

    async def _read(self, what: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reading, what, *args)

    async def _between_passes(self, what: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self.engine.call(what))

    def start(self) -> None:
        self.engine.start()

    def close(self) -> None:
        """Finish what was taken, and end the threads."""
        self.engine.close()
        self._reading.shutdown()
