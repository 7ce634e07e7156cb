"""One run at a time in a run folder, and numbers that processes share out among themselves."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ptv2.errors import UserError
from ptv2.runtime.rank_zero import is_zero

NAME = ".lock"


class FolderLock:
    """A lock that the process which writes into a folder holds; it is released when the process ends, however it does.

    A POSIX record lock belongs to the process alone: a worker that outlives a killed run for a moment does not hold it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.file: TextIO | None = None

    def take(self) -> None:
        """Take the lock of a folder that exists, unless this process has it; among several ranks, rank zero takes it.

        Raises:
            UserError: another process has the lock.
        """
        if self.file is not None or not is_zero():
            return
        file = (self.folder / NAME).open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            what = f"another run is writing here ({holder})"
            raise UserError(what, where=self.folder, do="wait for it, or give this run another run.name") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        self.file = file

    def release(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


class Claims:
    """Numbers of which each is held by one process at most, in one file for all of them.

    A number is a byte of the file under a POSIX record lock, as above: it is free again when its process ends, however
    it ends. The file stays open, since closing it would give up all that this process holds.

    Args:
        file: in a folder that exists; it is made.

    Raises:
        UserError: it cannot be opened.
    """

    def __init__(self, file: Path):
        try:
            self.file = file.open("a+", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot be written ({error.strerror})", where=file) from error
        self.held: set[int] = set()

    def take(self, number: int) -> bool:
        """Take a number, from 0 on, if nobody holds it, this process included, and tell whether that was so."""
        if number in self.held:
            return False
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number + 1)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            return False
        self.held.add(number)
        return True

    def release(self, number: int) -> None:
        fcntl.lockf(self.file, fcntl.LOCK_UN, 1, number + 1)
        self.held.discard(number)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait for the other processes that are inside such a block, and keep them out of it."""
        fcntl.lockf(self.file, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, 0)
