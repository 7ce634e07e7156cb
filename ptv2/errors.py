"""Errors that a user can cause: one line that says what, where and what to do.

Every command ends such an error with exit code 2 and no traceback (`--debug` shows it). Anything else that is raised
is a defect of this package and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user gave us.

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
    """Another process of the run has gone: the run cannot go on, and nothing need be wrong with what the user gave."""

    code = 1


class Joint(UserError):
    """What all ranks of a run raise together: said once, and none has to be ended by the others."""


class Unreachable(UserError):
    """The hub did not answer: nothing need be wrong with what the user gave."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """What to use instead of `name`: the closest valid name, or all of them where none is close."""
    valid = sorted(str(v) for v in valid)
    close = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(valid)}"
