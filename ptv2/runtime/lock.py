"""One run at a time in a run folder."""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from lightning.pytorch.utilities import rank_zero_only

from ptv2.errors import UserError

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
        if self.file is not None or rank_zero_only.rank != 0:
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
