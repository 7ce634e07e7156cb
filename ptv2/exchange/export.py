"""`ptv2.export`: an artifact for another program."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ptv2.config.overrides import as_overrides
from ptv2.errors import UserError, nearest
from ptv2.exchange.cartridge import write_cartridge
from ptv2.exchange.folder import check_free, whole_folder
from ptv2.exchange.kv import write_kv
from ptv2.exchange.llama import write_llama_state
from ptv2.exchange.merge import write_transformers
from ptv2.exchange.onnx import write_onnx
from ptv2.exchange.peft import write_peft
from ptv2.exchange.source import Source, source_of

FORMS: dict[str, Callable[[Source, Path], None]] = {
    "peft": write_peft,
    "peft-cartridge": partial(write_peft, kind="CARTRIDGE"),
    "transformers": write_transformers,
    "kv": write_kv,
    "cartridge": write_cartridge,
    "llama-state": write_llama_state,
    "onnx": write_onnx,
}
"""Form -> what writes it into a folder."""


@dataclass(frozen=True)
class Exported:
    """What was written, and what is to be known of it."""

    folder: Path
    notes: tuple[str, ...]


def export(
    artifact: str | Path,
    form: str,
    output: str | Path,
    *,
    task: str | None = None,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    imports: Sequence[str] = (),
    allow_other_precision: bool = False,
) -> Exported:
    """Write an artifact in the form of another program.

    Args:
        artifact: a run folder, or its `prompt/` folder.
        form: peft, peft-cartridge, transformers, kv, cartridge, llama-state or onnx.
        output: folder that is made; it appears whole or not at all.
        task: which of several, each with its own prompt or head.
        overrides: of keys in the artifact's config, such as `backbone.name` where the backbone has moved.
        imports: Python files that the artifact needs.
        allow_other_precision: take a backbone saved in another precision, if it is the same once both are cast.

    Raises:
        UserError: an unknown form, a folder that is there, or an artifact that the form cannot hold, and why.
    """
    if form not in FORMS:
        raise UserError(f"unknown form '{form}'", where="form", do=nearest(form, FORMS))
    output = Path(output)
    check_free(output)
    settings = {"imports": imports, "allow_other_precision": allow_other_precision}
    source = source_of(artifact, task, overrides=as_overrides(overrides), **settings)
    with whole_folder(output) as part:
        FORMS[form](source, part)
    return Exported(output, tuple(source.notes))
