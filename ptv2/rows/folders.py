"""Files of a split in a folder: <split>.jsonl and its like, the hub's shards, or what `save_to_disk` writes."""

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import cast

from ptv2.config.cards import SPLITS, DatasetCard
from ptv2.errors import UserError, nearest
from ptv2.rows.files import SUFFIXES, format_of
from ptv2.rows.text import COMPRESSED

NAMES = {"train": ("train",), "validation": ("validation", "dev", "val", "valid"), "test": ("test",)}
"""What a split is called in a folder, the preferred name first."""

SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


def files_in(folder: Path, dataset: DatasetCard, split: str) -> tuple[list[Path], str] | None:
    """Find the files of a split and their format; None where the folder has other splits alone.

    Raises:
        UserError: no split is there, two files claim to be it, or shards are missing.
    """
    plain = {name: _plain(folder, NAMES[name]) for name in SPLITS}
    if any(plain.values()):
        found = plain[split]
        return ([found], cast(str, format_of(found.name))) if found else None  # only known endings are found
    shards = {name: _shards(folder, dataset, name) for name in SPLITS}
    if not any(shards.values()):
        do = "name its files <split>.jsonl, or give task.dataset.path=json task.dataset.data_files.train=FILE"
        raise UserError("holds no train, validation or test split", where=folder, do=do)
    files = shards[split]
    return (files, cast(str, format_of(files[0].name))) if files else None


def saved_in(folder: Path, split: str) -> tuple[Path | None, bool]:
    """Return (folder of a split, whether `folder` was written by `save_to_disk` of the datasets library)."""
    if (folder / "dataset_dict.json").is_file():
        names = _json(folder / "dataset_dict.json").get("splits", [])
        name = next((name for name in NAMES[split] if name in names), None)
        return (folder / name if name else None), True
    if (folder / "state.json").is_file() and list(folder.glob("*.arrow")):
        own = str(_json(folder / "state.json").get("_split") or "train")
        return (folder if own in NAMES[split] else None), True
    return None, False


def _json(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"not valid JSON ({error})", where=path, do="save the data set again") from error
    return value if isinstance(value, dict) else {}


def _plain(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Find the file of a split that has its name, in capitals or not."""
    endings = [
        ending
        for suffixes in SUFFIXES.values()
        for suffix in suffixes
        for ending in (suffix, *(f"{suffix}.{packed}" for packed in COMPRESSED))
    ]
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    files = {path.name.lower(): path for path in paths if path.is_file()}  # of Train.csv and train.csv the second
    found = [files[file] for name in names for e in endings if (file := f"{name}{e}") in files]
    if len(found) > 1:
        both = " and ".join(path.name for path in found[:2])
        raise UserError(
            f"{both} are both {names[0]}", where=folder, do="keep one, or name it in task.dataset.data_files"
        )
    if found and not found[0].name.startswith(f"{names[0]}."):
        say(f"{found[0].resolve()} is read as {names[0]}")
    return found[0] if found else None


def _shards(folder: Path, dataset: DatasetCard, split: str) -> list[Path]:
    """Find a split's files in the hub's layouts: [data/]train-00000-of-00002.parquet, [config/]train/0000.parquet."""
    asked = dataset.splits.get(split)
    names = (asked, *NAMES[split]) if isinstance(asked, str) and asked not in SPLITS else NAMES[split]
    by_config: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.rglob("*")):
        if format_of(path.name) is None or not path.is_file():
            continue
        parts = path.relative_to(folder).parts
        stem = path.name.split(".")[0]
        shard = SHARD.search(stem)
        name, above = (stem[: shard.start()] if shard else stem), parts[:-1]
        if name not in names and above and (shard or stem.isdecimal()):
            name, above = above[-1], above[:-1]
        if name in names:
            config = "/".join(part for part in above if part != "data")
            by_config.setdefault(config, {}).setdefault(name, []).append(path)
    if not by_config:
        return []
    chosen = next(iter(by_config))
    if len(by_config) > 1:
        chosen = (dataset.name or "").rpartition("/")[2]
        if chosen not in by_config:
            do = f"{nearest(chosen, by_config)}, as task.dataset.name, or name the files in task.dataset.data_files"
            raise UserError("the folder holds several configurations", where=folder, do=do)
    found = next(by_config[chosen][name] for name in names if name in by_config[chosen])
    if len(formats := {format_of(path.name) for path in found}) > 1:
        raise UserError(
            f"{split} is there as {' and '.join(sorted(map(str, formats)))}", where=folder, do="keep one of them"
        )
    _check_shards(found)
    return found


def _check_shards(files: list[Path]) -> None:
    """Refuse a split of which shards are missing."""
    numbers = [(int(found[1]), int(found[2]), path) for path in files if (found := SHARD.search(path.name))]
    for count in {count for _, count, _ in numbers}:
        have = {number for number, of, _ in numbers if of == count}
        for missing in sorted(set(range(count)) - have):
            name = SHARD.sub(f"-{missing:05}-of-{count:05}", numbers[0][2].name)
            raise UserError(f"{name} is missing", where=numbers[0][2].parent, do="fetch all files of the data set")


@cache
def say(line: str) -> None:
    """Print a line once, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)
