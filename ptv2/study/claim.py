"""A claim on a cell: the file that keeps two processes, on one machine or on several that share a folder, off one cell.

The file names its holder, who touches it while it works. It is stale when its holder is a process of this machine that
has ended, or has not touched it for ten minutes on the file system's clock. Everything rests on `link`, which makes a
file whole or fails, also on network file systems.
"""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SILENT = 600  # seconds after which a holder on another machine counts as ended
TOUCH = 30  # seconds between two signs of life


class Claim:
    """A claim that this process holds; `take` makes it."""

    def __init__(self, path: Path, taken_over: Path | None):
        self.path, self._taken_over = path, taken_over

    def touch(self) -> None:
        """Give a sign of life."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        if self._taken_over is not None:
            self._taken_over.unlink(missing_ok=True)


def take(path: Path) -> Claim | None:
    """Claim a cell; None where another living process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = _own(path)
    try:
        while True:
            try:
                os.link(own, path)
                return Claim(path, None)
            except FileExistsError:
                pass
            try:
                stamp = path.stat().st_mtime_ns
                if holder(path, own.stat().st_mtime) is not None:
                    return None
                # Of several that find it stale, the one that makes this file replaces it.
                mark = path.with_name(f"{path.name}.{stamp}")
                os.link(path, mark)
            except FileNotFoundError:  # released meanwhile
                continue
            except FileExistsError:
                return None
            os.replace(own, path)
            return Claim(path, mark)
    finally:
        own.unlink(missing_ok=True)


def holder(path: Path, now: float | None = None) -> str | None:
    """Name the living process that holds a claim; None: there is no claim, or a stale one.

    Args:
        path: the claim.
        now: on the clock of the file system; None: this machine's.
    """
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        touched = path.stat().st_mtime
    except (FileNotFoundError, ValueError):
        return None
    if about["host"] == socket.gethostname():
        alive = about["begun"] is not None and _begun(about["process"]) == about["begun"]
    else:
        alive = (time.time() if now is None else now) - touched < SILENT
    return f"process {about['process']} on {about['host']}" if alive else None


def _own(path: Path) -> Path:
    """Write a file that says who we are, to become the claim."""
    process = os.getpid()
    about = {"host": socket.gethostname(), "process": process, "begun": _begun(process)}
    own = path.with_name(f"{path.name}.{about['host']}.{process}")
    own.write_text(json.dumps(about), encoding="utf-8")
    return own


def _begun(process: int) -> str | None:
    """Tell when a process of this machine began, as the kernel counts: numbers of processes come again. None: ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    if Path("/proc/self/stat").is_file():
        return None
    try:  # no /proc, as on macOS
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "unknown"
    return "unknown"
