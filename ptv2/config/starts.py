"""Where a prompt or a head starts: the values of `prompt.init` and `head.init`."""

from dataclasses import dataclass
from typing import Literal

from ptv2.errors import UserError, nearest

FORMS = (
    "normal",
    "uniform",
    "zero",
    "text:<words>",
    "vocab",
    "labels",
    "artifact:<path>",
    "artifact:<path>+task:<name>",
    "retrieve:<folder>",
)


@dataclass(frozen=True)
class Start:
    """A parsed start. An attribute that its kind does not have is None."""

    kind: Literal["normal", "uniform", "zero", "text", "vocab", "labels", "artifact", "retrieve"]
    text: str | None = None  # of text:<words>
    path: str | None = None  # of artifact:<path>
    task: str | None = None  # of artifact:<path>+task:<name>
    folder: str | None = None  # of retrieve:<folder>

    @property
    def earlier(self) -> bool:
        """Tell whether the values are those of earlier runs."""
        return self.kind in ("artifact", "retrieve")


def prompt_start(init: str) -> Start:
    """Parse `prompt.init`.

    Raises:
        UserError: an unknown form, or one without its words, path, task or folder.
    """
    kind, colon, rest = init.partition(":")
    if not colon and kind in ("normal", "uniform", "zero", "vocab", "labels"):
        return Start(kind)
    if kind == "text" and colon:
        if not rest.strip():
            raise UserError("the text has no tokens", where="prompt.init", do="write text:<some words>")
        return Start("text", text=rest)
    if kind == "retrieve" and colon:
        if not rest:
            raise UserError("no folder is named", where="prompt.init", do="write retrieve:<folder of runs>")
        return Start("retrieve", folder=rest)
    if (start := _artifact(init)) is None:
        raise UserError(f"unknown init '{init}'", where="prompt.init", do=nearest(init, FORMS))
    return start


def head_start(init: str) -> Start:
    """Parse `head.init`, which names an artifact.

    Raises:
        UserError: it does not.
    """
    if (start := _artifact(init)) is None:
        do = "write artifact:<run folder> or artifact:<run folder>+task:<name>"
        raise UserError(f"unknown init '{init}'", where="head.init", do=do)
    return start


def _artifact(init: str) -> Start | None:
    """Parse `artifact:<path>[+task:<name>]`; None if `init` is something else."""
    kind, _, rest = init.partition(":")
    path, plus, task = rest.rpartition("+task:")
    if not plus:
        path, task = rest, None
    return Start("artifact", path=path, task=task) if kind == "artifact" and path and task != "" else None
