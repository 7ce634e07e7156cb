"""Rows of one split of a data set on the hub."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.config.cards import DatasetCard
from ptv2.config.local import VARIABLE
from ptv2.errors import Unreachable, UserError
from ptv2.runtime.network import hub_answers

if TYPE_CHECKING:
    from datasets import Dataset

BRANCH = "refs/convert/parquet"


def local_rows(dataset: DatasetCard, name: str) -> str:
    """Say how rows of this machine are read instead, and where they were looked for.

    Args:
        dataset: of a card.
        name: of the card.
    """
    known = os.environ.get(VARIABLE)
    looked = f" ({known} has no folder '{dataset.local or Path(name).name}')" if known and name else ""
    files = "task.dataset.path=FOLDER of <split>.jsonl files"
    one = "task.dataset.path=json task.dataset.data_files.train=FILE"
    return f"use local rows: {VARIABLE}=FOLDER of data sets{looked}, {files}, or {one}"


def load_split(dataset: DatasetCard, split: str, where: str, name: str = "") -> "Dataset":
    """Load the rows of a split by the hub's name for it; with `data_files`, the files that the card names for it.

    Args:
        dataset: of a card.
        split: the hub's name for it.
        where: the place, for messages.
        name: of the card, for messages.

    Raises:
        UserError: the hub has no such set, configuration, split or revision, or the set is a script.
        Unreachable: the hub did not answer.
    """
    from datasets import config, load_dataset
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    keys = {"revision": dataset.revision, "split": split}
    if dataset.data_files:
        if dataset.name is not None:
            do = "remove dataset.name: the files make the configuration"
            raise UserError("name and data_files are both given", where=f"{where}, task.dataset", do=do)
        keys["data_files"] = dict(dataset.data_files)
    reachable, local = hub_answers(), local_rows(dataset, name)
    try:
        return load_dataset(dataset.path, dataset.name, **keys)
    except DatasetNotFoundError as error:
        what = f"neither a local folder nor a data set on the hub that you may read ({first_line(error)})"
        raise UserError(what, where=where, do=f"correct task.dataset.path, or {local}") from error
    except ConnectionError as error:
        offline = config.HF_HUB_OFFLINE and reachable
        reason = "HF_HUB_OFFLINE is set" if offline else first_line(error) if reachable else "no answer"
        fetch = "fetch it with python -m ptv2.prepare where there is a network, or "
        do = fetch + local if config.HF_HUB_OFFLINE else local
        raise Unreachable(f"the hub is not reachable ({reason})", where=where, do=do) from error
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        do = "check task.dataset.name, splits, data_files and revision"
        if "scripts are no longer supported" in str(error):
            do = f"{branch_hint(dataset)}, or {local}"
        raise UserError(f"cannot be loaded ({first_line(error)})", where=where, do=do) from error


def branch_hint(dataset: DatasetCard) -> str:
    """Say how to name the branch with Parquet files; without data_files it would merge all configurations."""
    files = f"{dataset.name or 'default'}/SPLIT/*.parquet"
    return (
        f"try task.dataset.revision={BRANCH} task.dataset.name=null "
        f"task.dataset.data_files.SPLIT={files} for each SPLIT (train, validation, ...)"
    )


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
