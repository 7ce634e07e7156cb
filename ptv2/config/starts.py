"""Where a prompt or a head starts: the values of `prompt.init` and `head.init`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def source(init: str | None) -> tuple[str | None, str | None]:
    """Path and task in `artifact:<path>[+task:<name>]`; None for what is not there."""
    kind, _, rest = (init or "").partition(":")
    if kind != "artifact" or not rest:
        return None, None
    path, plus, task = rest.rpartition("+task:")
    return (path, task) if plus else (rest, None)
