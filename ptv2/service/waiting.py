"""The jobs that wait, and which of their pieces the next pass takes."""

from collections import deque

from ptv2.service.jobs import Job, Piece

Taken = list[tuple[Job, Piece]]


class Waiting:
    """Jobs in their order. A pass takes pieces of the first job and of all others that can share it, a few of each.

    A job with pieces left goes behind the others, so that a long one does not keep short ones waiting.

    Args:
        rows: of a pass.
        tokens: of a pass, padding included.
    """

    def __init__(self, rows: int, tokens: int):
        self.rows, self.tokens = rows, tokens
        self.jobs: deque[Job] = deque()

    def __len__(self) -> int:
        """Count the pieces that wait."""
        return sum(len(job.pieces) for job in self.jobs)

    def add(self, job: Job) -> None:
        self.jobs.append(job)

    def drop(self, job: Job) -> None:
        """Forget a job that nobody waits for any more."""
        job.pieces.clear()
        if job in self.jobs:
            self.jobs.remove(job)

    def take(self) -> Taken:
        """Take the pieces of the next pass, one job's beside each other; none where no job waits."""
        if not self.jobs:
            return []
        key = self.jobs[0].pieces[0].key
        sharing = [job for job in self.jobs if job.pieces[0].key == key]
        of_job: dict[Job, list[Piece]] = {job: [] for job in sharing}
        count = longest = 0
        for most in (max(1, self.rows // len(sharing)), self.rows):  # a like number of each, then who has more
            for job in sharing:
                own = of_job[job]
                while job.pieces and job.pieces[0].key == key and len(own) < most and count < self.rows:
                    length = max(longest, job.pieces[0].length)
                    if count and length * (count + 1) > self.tokens:
                        break
                    count, longest = count + 1, length
                    own.append(job.pieces.popleft())
        served = [job for job in sharing if of_job[job]]
        for job in served:
            self.jobs.remove(job)
        self.jobs.extend(job for job in served if job.pieces)
        return [(job, piece) for job in served for piece in of_job[job]]
