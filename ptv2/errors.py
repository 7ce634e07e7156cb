"""Errors that a user can cause: one line that says what, where and what to do.

Every command ends such an error with exit code 2 and no traceback (`--debug` shows it). Anything else that is raised
is a defect of this package and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the input of the user: config, data, folder or command line.

    Args:
        what: what is wrong, as a short clause.
        where: the file, line, key or row it was found at.
        do: what to change.
    """

    code = 2  # that the command exits with

    def __init__(self, what: str, where: object = None, do: str | None = None):
        line = f"{where}: {what}" if where is not None else what
        if do:
            line = f"{line}; {do}"
        super().__init__(" ".join(line.split()))


class Lost(UserError):
    """Another process of the run has ended, so this one cannot continue; the input need not be at fault."""

    code = 1


class Joint(UserError):
    """An error that all ranks of a run raise together: it is printed once, and no rank has to kill the others."""


class NonFinite(Joint):
    """A loss or gradient that is not finite ended the run: the data may be right, and the learning rate too high."""


class Broken(Joint):
    """The disk failed the run; the input need not be at fault."""


class Unreachable(UserError):
    """The hub did not answer; the input need not be at fault."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Suggest what to use instead of `name`: the closest valid name, or all of them where none is close."""
    valid = sorted(str(v) for v in valid)
    close = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(valid)}"
