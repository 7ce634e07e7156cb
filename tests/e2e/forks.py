"""Commands in processes of their own, forked from one that has everything imported; two of them are two ranks."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RANK = """
import os
from lightning.pytorch.utilities import rank_zero_only
names = {{"LOCAL_RANK": {rank}, "WORLD_SIZE": 2, "NODE_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": {port}}}
os.environ |= {{name: str(value) for name, value in names.items()}}
rank_zero_only.rank = {rank}
"""
ELASTIC = """
names = {{"RANK": {rank}, "GROUP_RANK": 0, "LOCAL_WORLD_SIZE": 2, "TORCHELASTIC_RUN_ID": "tests"}}
os.environ |= {{name: str(value) for name, value in names.items()}}
"""


@dataclass
class Ended:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self
        return lines[0]

    @property
    def whole(self) -> bool:
        """It came to its end and found nothing amiss; that a prompt trained for six steps collapses is true."""
        return self.code == 0 and all("has collapsed to one class" in line for line in self.err.splitlines())


@dataclass
class Process:
    """A command that is under way."""

    pid: int
    ask: Callable[[dict], Any]
    streams: tuple[Path, Path]
    ended: Ended | None = field(default=None)

    def signal(self, number: int, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self) -> Ended:
        ended = self._ended(block=True)
        assert ended is not None
        return ended

    def until(self, done: Callable[[], Any], seconds: float = 300) -> Any:
        """Wait while the process runs until this is true, and return what it is then."""
        end = time.monotonic() + seconds
        while not (found := done()):
            assert self._ended(block=False) is None and time.monotonic() < end, self.ended
            time.sleep(0.05)
        return found

    def said(self) -> str:
        """What stands on standard output so far."""
        return self.streams[0].read_text()

    def _ended(self, block: bool) -> Ended | None:
        if self.ended is None and (code := self.ask({"wait": self.pid, "block": block})) is not None:
            self.ended = Ended(code, *(path.read_text() for path in self.streams))
        return self.ended


Start = Callable[..., Process]
"""`start("fit", argv, before="", folder=None, stdin="")`; a path as `stdin` is what the process reads, e.g. a pipe."""


@contextmanager
def forking() -> Iterator[Start]:
    """Start the process that forks, and end it."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), *sys.path])}
    line = [sys.executable, str(HERE / "zygote.py")]
    made = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    assert made.stdin is not None and made.stdout is not None
    asked, answered = made.stdin, made.stdout
    assert answered.readline() == "ready\n"
    with tempfile.TemporaryDirectory() as scratch:

        def ask(request: dict) -> Any:
            asked.write(json.dumps(request) + "\n")
            asked.flush()
            return json.loads(answered.readline())

        def start(
            command: str, argv: Sequence[object], before: str = "", folder: Path | None = None, stdin: str | Path = ""
        ) -> Process:
            said, out, err = (Path(tempfile.mkstemp(dir=scratch)[1]) for _ in range(3))
            if isinstance(stdin, Path):
                said = stdin
            else:
                said.write_text(stdin, encoding="utf-8")
            files = {"in": str(said), "out": str(out), "err": str(err)}
            what = {"command": command, "argv": [str(word) for word in argv], "before": before}
            return Process(ask(what | files | {"folder": str(folder or Path.cwd())}), ask, (out, err))

        yield start
    asked.close()
    made.wait()


def ranks(elastic: bool = False) -> tuple[str, str]:
    """What two processes run first to be the two ranks of a run, as a launcher that is none of theirs starts them.

    `elastic`: as torchrun, which says more of them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = ELASTIC if elastic else ""
    return tuple((RANK + more).format(rank=rank, port=port) for rank in (0, 1))
