"""A folder of earlier runs, of which a new task may start from the prompt of one."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ptv2.artifact.files import PARTS, artifacts_in, odd_part
from ptv2.config.names import parse_methods
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods import METHODS, Method


def prompts_in(folder: Path, own: Path | None = None) -> list[Path]:
    """List the artifacts with a prompt below a folder, except those of the run folder `own`."""
    own = own and own.resolve()
    paths = [path for path in artifacts_in(folder) if own not in (path.resolve(), *path.resolve().parents)]
    return [path for path in paths if _has_prompt(path)]


def first_prompt(config: Config, folder: Path) -> dict[str, Any] | None:
    """Return `prompt` of the first artifact that a run may start from: of its backbone, or of any where none is.

    What an artifact of another backbone says of form and length is no guide, and it may well come first by name.
    """
    paths = prompts_in(folder, Path(config.run.folder) / config.run.name)
    read = [about for path in paths if (about := _about(path)) is not None]
    found = [about for about in read if set(about) >= PARTS and odd_part(about) is None]
    of_backbone = [about for about in found if about["backbone"]["name"] == config.backbone.name]
    return next((about["config"]["prompt"] for about in of_backbone or found), None)


def _has_prompt(path: Path) -> bool:
    """Tell whether an artifact has a prompt, without reading the weights, which may be a whole model."""
    about = _about(path)
    with suppress(UserError):
        return about is None or any(METHODS.get(m, Method).has_prompts for m in parse_methods(about.get("method")))
    return True  # reading it says what is wrong


def _about(path: Path) -> dict[str, Any] | None:
    """Read what an artifact says of itself; None where that cannot be read."""
    with suppress(OSError, ValueError):
        about = json.loads((path / "artifact.json").read_text(encoding="utf-8"))
        return about if isinstance(about, dict) else None
    return None
