"""An artifact's files, written and read."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ptv2.artifact.artifact import FORMAT, Artifact
from ptv2.artifact.card import readable_card
from ptv2.artifact.hub import fetched, is_on_hub
from ptv2.errors import UserError
from ptv2.runtime.files import write_text

PARTS = {"method", "backbone", "labels", "config"}
"""Of an artifact's description, without which none is read."""


def write_artifact(artifact: Artifact, folder: Path) -> None:
    """Write an artifact's weights, its description and a page for readers."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(artifact.weights, folder / "weights.safetensors", metadata={"format": "pt"})
    write_text(folder / "artifact.json", json.dumps(artifact.about, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", readable_card(artifact.about, artifact.weights))


def artifacts_in(folder: Path) -> list[Path]:
    """List the folders of all artifacts in a folder, which may hold links to runs."""
    inside = [path for path in folder.glob("*") if path.is_dir()]
    files = [*folder.glob("artifact.json"), *(file for path in inside for file in path.rglob("artifact.json"))]
    return sorted(file.parent for file in files)


def read_artifact(path: str | Path) -> Artifact:
    """Read the artifact in a folder, in the `prompt/` of a run folder, or on the hub: `hub:ORG/NAME[@REVISION]`.

    Raises:
        UserError: no artifact there, an unknown format, or weights that are damaged or not finite.
    """
    path = fetched(str(path)) if is_on_hub(path) else Path(path)
    folder = path / "prompt" if (path / "prompt" / "artifact.json").is_file() else path
    if not (folder / "artifact.json").is_file():
        if (path / "config.yaml").is_file() and (path / "checkpoints").is_dir():
            raise UserError("is a run that is not finished", where=path, do="finish it: start the same fit again")
        raise UserError("no artifact here (artifact.json is missing)", where=path, do="give a run's prompt/ folder")
    try:
        about = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "weights.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"cannot be read ({error})", where=folder, do="copy it again") from error
    if not isinstance(about, dict) or "format" not in about:
        raise UserError("cannot be read (artifact.json has no format)", where=folder, do="copy it again")
    if about["format"] != FORMAT:
        raise UserError(f"has format {about['format']}, this version reads {FORMAT}", where=folder)
    if missing := PARTS - set(about):
        raise UserError(f"cannot be read (artifact.json lacks {min(missing)})", where=folder, do="copy it again")
    if (part := odd_part(about)) is not None:
        raise UserError(f"cannot be read (artifact.json has no readable {part})", where=folder, do="copy it again")
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"weights '{name}' are not finite", where=folder, do="copy it again, or train it again")
    return Artifact(folder, about, weights)


def odd_part(about: dict[str, Any]) -> str | None:
    """Name the part of an artifact's description that has another form than it was written in; None: no part."""
    config, labels, backbone = about["config"], about["labels"], about["backbone"]
    if not isinstance(backbone, dict) or not {"name", "weights", "tokenizer"} <= backbone.keys():
        return "backbone"
    if not isinstance(config, dict) or not isinstance(config.get("tasks"), dict) or not config["tasks"]:
        return "config"
    if not all(isinstance(config.get(key), dict) for key in ("backbone", "prompt", "head", "data", "run")):
        return "config"
    if not isinstance(labels, dict) or set(labels) != set(config["tasks"]):
        return "labels"
    named = [names for names in labels.values() if names is not None]
    readable = all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in named)
    return None if readable else "labels"
