"""Where a card's rows lie on this machine: files beside the card, or a folder of data sets (PTV2_DATA)."""

import glob
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ptv2.errors import UserError

LOCAL_FORMATS = ("json", "csv", "parquet", "conll")
VARIABLE = "PTV2_DATA"


def data_folder() -> Path | None:
    """Return the folder of data sets that the environment names.

    Raises:
        UserError: it is not there.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise UserError(f"no such folder '{named}'", where=VARIABLE, do="name a folder of data sets, or unset it")
    return folder


def folder_of(dataset: dict[str, Any], name: str, data: Path | None) -> Path | None:
    """Find a card's folder in a folder of data sets: that of its name's last part, or of `local`; None: it has none."""
    folder = data / (dataset.get("local") or Path(name).name) if data is not None else None
    return folder if folder is not None and folder.is_dir() else None


def with_local_rows(card: dict[str, Any], own: Any) -> dict[str, Any]:
    """Point a card to its folder in PTV2_DATA, unless it reads files of this machine or `own` says where its rows are.

    Args:
        card: the mapping of a card.
        own: what a config says of the card's `dataset`.
    """
    dataset = card["dataset"]
    if isinstance(own, dict) and ("path" in own or "data_files" in own):
        return card
    at_home = dataset["path"] == "demo" or Path(dataset["path"]).expanduser().is_dir()
    if at_home or (dataset["path"] in LOCAL_FORMATS and dataset.get("data_files")):
        return card
    folder = folder_of(dataset, card["name"], data_folder())
    if folder is None:
        return card
    _say(f"{card['name']}: rows of {folder} ({VARIABLE})")
    return card | {"dataset": dataset | {"path": str(folder)}}


def beside(card: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Name the files of a card as they are found from its folder; those that lie only where the command runs stay.

    Args:
        card: the mapping of a card.
        folder: of the card.
    """
    dataset = dict(card.get("dataset") or {})
    path = dataset.get("path")
    if path in LOCAL_FORMATS:
        named = (dataset.get("data_files") or {}).items()
        dataset["data_files"] = {split: _all_beside(files, folder) for split, files in named}
    elif isinstance(path, str) and not path.startswith(("/", "~")):
        there = (folder / path).is_dir()
        dataset["path"] = str(folder / path) if there or (path.startswith(".") and not Path(path).is_dir()) else path
    return card | {"dataset": dataset} if dataset else card


def _all_beside(files: Any, folder: Path) -> Any:
    if isinstance(files, list):
        return [_all_beside(file, folder) for file in files]
    if not isinstance(files, str) or files.startswith(("/", "~")) or "${" in files:
        return files
    only_here = glob.glob(files, recursive=True) and not glob.glob(str(folder / files), recursive=True)
    return files if only_here or not files.strip() else str(folder / files)


@cache
def _say(line: str) -> None:
    """Print a line once, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)
