"""Requests as jobs: features that wait for a pass through the backbone, and what the heads made of them."""

import json
from collections import deque
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ptv2.config.run import PredictionsConfig
from ptv2.data.cache import features_of
from ptv2.kinds.features import Feature
from ptv2.model.outputs import Outputs
from ptv2.model.predictions import Record, records_of
from ptv2.model.routing import beginnings, usable_rows
from ptv2.rows.asked import Asked
from ptv2.rows.rows import Rows
from ptv2.service.refused import Refused
from ptv2.service.residents import Joined

INPUT = "input"  # the split that a user's rows are


@dataclass
class Piece:
    """One feature of a row."""

    task: str
    feature: Feature
    key: Hashable  # pieces of one key can share a pass
    length: int  # tokens


@dataclass(eq=False)
class Job:
    """The rows of a request."""

    joined: Joined
    asked: Asked
    task: str | None
    usable: dict[str, tuple[list[int], Rows]]
    settings: dict[str, Any]  # of `generate`, beside the card's
    pieces: deque[Piece] = field(default_factory=deque)
    tokens: int = 0  # of all pieces
    open: int = 0  # pieces without an output
    outputs: Outputs = field(default_factory=Outputs)
    done: Future[None] = field(default_factory=Future)

    def keep(self, piece: Piece, output: Any) -> None:
        """Take what a head decoded for a piece; the last one makes the job done."""
        self.outputs.keep(piece.task, [piece.feature["row"]], [output])
        self.open -= 1
        if not self.open and self.done.set_running_or_notify_cancel():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the job with an error, unless it has ended or nobody waits for it."""
        if not self.done.done() and self.done.set_running_or_notify_cancel():
            self.done.set_exception(error)

    def records(self, shown: PredictionsConfig) -> list[Record | None]:
        """Make the record of each row, as `predict` does; None for one that is skipped."""
        records: dict[int, Record] = {}
        for name, (numbers, rows) in self.usable.items():
            mark = name if len(self.joined.data) > 1 and self.task is None else None
            first, sources = beginnings(self.asked, numbers, mark)
            features, decoded = self.joined.data[name].features, self.outputs.get(name, {})
            made = records_of(features, rows, decoded, shown, first, sources)
            records |= dict(zip(numbers, made, strict=True))
        return [records.get(number) for number in range(len(self.asked.rows))]


def read_job(
    joined: Joined, asked: Asked, task: str | None, skip: bool, limit: int, settings: dict[str, Any] | None = None
) -> Job:
    """Turn rows into features.

    Args:
        joined: what answers them.
        asked: the rows.
        task: of all rows, instead of their field `task`.
        skip: leave out rows that cannot be used.
        limit: of tokens.
        settings: of `generate`, beside the card's.

    Raises:
        UserError: a row that cannot be used.
        Refused: 413 for more tokens than the limit.
    """
    usable = usable_rows(asked, joined.data, task, skip, joined.name, INPUT)
    job = Job(joined, asked, task, usable, settings or {})
    pieces = []
    for name, (numbers, rows) in usable.items():
        for feature in features_of(joined.data[name].features, rows, range(len(numbers)), labelled=False):
            pieces.append(Piece(name, feature, _key(job, name), int(feature["length"])))
            limit -= pieces[-1].length
            if limit < 0:
                place = asked.places[numbers[feature["row"]]]
                raise Refused(413, "too_many_tokens", f"{place} is behind the tokens that a request may have")
    job.pieces.extend(sorted(pieces, key=lambda piece: (str(piece.key), piece.length)))
    job.open, job.tokens = len(pieces), sum(piece.length for piece in pieces)
    if not pieces:
        job.done.set_result(None)
    return job


def _key(job: Job, task: str) -> Hashable:
    """Say what the pieces of a task have to share with others that a pass takes."""
    joined, head = job.joined, job.joined.module.head(task)
    key: tuple[Hashable, ...] = (head.reads, joined.phi, joined.drawn_digest if joined.reads_drawn else "")
    if head.reads == "logits":
        settings = getattr(head, "settings", {}) | job.settings
        key += (json.dumps(settings, sort_keys=True, default=str),)
        if settings.get("do_sample"):  # what is drawn depends on the rows beside it
            key += (id(job),)
    if not joined.mixes or head.reads == "answer":
        key += (id(joined), task)
    return key
