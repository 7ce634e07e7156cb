"""What the tests ask of SLURM."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


class Cluster:
    """Commands to the running SLURM."""

    def __init__(self, folder: Path):
        self.folder = folder

    def ask(self, *line: object) -> str:
        return subprocess.run(list(map(str, line)), capture_output=True, text=True, check=True).stdout

    def submit(self, *argv: object) -> tuple[str, Path]:
        """`python -m ptv2.slurm ...`: the job's number and its log."""
        line = [sys.executable, "-m", "ptv2.slurm", *map(str, argv)]
        done = subprocess.run(line, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        job, log = re.fullmatch(r"job (\d+): .*; log: (.*)\n", done.stdout).groups()
        return job, Path(log)

    def state(self, job: str) -> dict[str, str]:
        words = self.ask("scontrol", "show", "job", "--oneliner", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, job: str, until: Callable[[dict[str, str]], bool], seconds: int = 120) -> dict[str, str]:
        return eventually(lambda: (state := self.state(job)) and until(state) and state, seconds, f"job {job}")

    def end(self, job: str, seconds: int = 240) -> dict[str, str]:
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return self.wait(job, lambda state: state["JobState"] in over, seconds)


def eventually(what: Callable[[], object], seconds: int, about: str) -> object:
    """What a call yields once that is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := what():
            return value
        time.sleep(0.1)
    raise AssertionError(f"{about}: not within {seconds} s")
