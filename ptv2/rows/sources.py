"""The rows of one split of a task, wherever its card says they are, and the place of each for messages."""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetNotFoundError, DatasetsError

from ptv2.config.cards import LOCAL_FORMATS, SPLITS, TaskCard
from ptv2.errors import Unreachable, UserError, nearest
from ptv2.rows import demo
from ptv2.rows.files import SUFFIXES, Columns, RowFile, read_file
from ptv2.rows.rows import Places, Rows


def load_rows(card: TaskCard, split: str, limit: int | None = None, seed: int = 0) -> Rows | None:
    """The rows of a split, or None where the card has no such split.

    Args:
        card: the task; `card.dataset.path` says which kind of source it is.
        split: train, validation or test.
        limit: at most so many rows, drawn with `seed`; they keep their order.
        seed: of that draw.

    Raises:
        UserError: the source cannot be read, is empty, or lacks a column of `card.dataset.columns`.
    """
    if split not in SPLITS:
        raise UserError(f"no split '{split}'", where=card.name, do=nearest(split, SPLITS))
    source = _source(card, split)
    if source is None:
        return None
    data, places, content = source
    if spans := card.options.get("spans_column"):
        data = _with_tags(card, data, spans, places)
    if not len(data):
        raise UserError("the split has no rows", where=f"{card.name} split '{split}'")
    _check_columns(card, data, places)
    fingerprint = hashlib.sha256(repr((content, card.options.get("spans_column"))).encode()).hexdigest()
    return Rows(data, split, fingerprint, places).draw(limit, seed)


Source = tuple[Dataset, Places, object]
"""Rows, their places, and what identifies their content."""


def _source(card: TaskCard, split: str) -> Source | None:
    dataset = card.dataset
    if dataset.path in LOCAL_FORMATS:
        if not dataset.data_files:
            do = f"name them, e.g. task.dataset.data_files.train=FILE for path={dataset.path}"
            raise UserError("no data files", where=f"{card.name}.dataset.data_files", do=do)
        _known_splits(dataset.data_files, f"{card.name}.dataset.data_files")
        named = dataset.data_files.get(split)
        paths = [Path(p).expanduser() for p in ([named] if isinstance(named, str) else named or [])]
        return _from_files(card, paths, dataset.path) if paths else None
    folder = Path(dataset.path).expanduser()
    if folder.is_dir():
        found = _file_in(folder, split)
        return _from_files(card, [found[0]], found[1]) if found else None
    if dataset.path.startswith((".", "/", "~")):
        raise UserError("no such folder", where=folder, do="give a folder of <split>.jsonl files, or a hub id")
    _known_splits(dataset.splits, f"{card.name}.dataset.splits")
    named = dataset.splits.get(split)
    if named is None:
        return None
    return _from_demo(dataset.name, named) if dataset.path == "demo" else _from_hub(card, named)


def _known_splits(mapping: dict[str, Any], where: str) -> None:
    for name in mapping:
        if name not in SPLITS:
            raise UserError(f"no split '{name}'", where=where, do=nearest(name, SPLITS))


def _file_in(folder: Path, split: str) -> tuple[Path, str] | None:
    """The file of a split in a folder, and its format."""
    present = {
        name: (folder / f"{name}{suffix}", format)
        for name in SPLITS
        for format, suffixes in SUFFIXES.items()
        for suffix in reversed(suffixes)  # the preferred one wins
        if (folder / f"{name}{suffix}").is_file()
    }
    if not present:
        raise UserError("a folder without train, validation or test", where=folder, do="name its files <split>.jsonl")
    return present.get(split)


@dataclass(frozen=True)
class FilePlaces:
    """Rows of one or more files, one after the other."""

    files: tuple[RowFile, ...]

    def where(self, row: int) -> str:
        for file in self.files:
            if row < len(file.data):
                return file.where(row)
            row -= len(file.data)
        raise IndexError(row)


def _from_files(card: TaskCard, paths: list[Path], format: str) -> Source:
    columns = Columns(
        tokens=card.inputs.get("tokens", "tokens"),
        tags=card.label,
        token_column=int(card.options.get("token_column", 0)),
        tag_column=int(card.options.get("tag_column", -1)),
    )
    files = [read_file(path, format, columns) for path in paths]
    try:
        data = concatenate_datasets([file.data for file in files])
    except ValueError as error:
        where = ", ".join(map(str, paths))
        raise UserError(f"the files' columns differ in type ({error})", where=where, do="use one type") from error
    content = (format, columns if format == "conll" else None, [file.sha256 for file in files])
    return data, FilePlaces(tuple(files)), content


@dataclass(frozen=True)
class NamedPlaces:
    """Rows without lines, as those of the hub."""

    name: str

    def where(self, row: int) -> str:
        return f"{self.name}, row {row}"


def _from_demo(name: str | None, split: str) -> Source:
    if name is None:
        raise UserError("no demo set is named", where="task.dataset.name", do=nearest("", demo.SETS))
    data = Dataset.from_list(demo.rows(name, split))
    return data, NamedPlaces(f"demo/{name} split '{split}'"), ("demo", demo.SETS[name].sha256, split)


def _from_hub(card: TaskCard, split: str) -> Source:
    dataset = card.dataset
    name = "/".join(filter(None, (dataset.path, dataset.name)))
    where = f"{name} split '{split}'"
    local = (
        "use local rows: task.dataset.path=FOLDER of <split>.jsonl files, "
        "or task.dataset.path=json task.dataset.data_files.train=FILE"
    )
    try:
        data = load_dataset(dataset.path, dataset.name, revision=dataset.revision, split=split)
    except DatasetNotFoundError as error:
        what = f"neither a local folder nor a data set on the hub that you may read ({_first_line(error)})"
        raise UserError(what, where=where, do=f"correct task.dataset.path, or {local}") from error
    except ConnectionError as error:
        reason = "HF_HUB_OFFLINE is set" if datasets.config.HF_HUB_OFFLINE else _first_line(error)
        fetch = "fetch it with python -m ptv2.prepare where there is a network, or "
        do = fetch + local if datasets.config.HF_HUB_OFFLINE else local
        raise Unreachable(f"the hub is not reachable ({reason})", where=where, do=do) from error
    except (DatasetsError, ValueError, RuntimeError, OSError) as error:
        do = "check task.dataset.name, splits and revision"
        if "scripts are no longer supported" in str(error):
            do = f"try task.dataset.revision=refs/convert/parquet, or {local}"
        raise UserError(f"cannot be loaded ({_first_line(error)})", where=where, do=do) from error
    # For the hub, the library's own fingerprint comes from the commit and the split, not from a clock.
    return data, NamedPlaces(where), ("hub", data._fingerprint)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _check_columns(card: TaskCard, data: Dataset, places: Places) -> None:
    for column in card.dataset.columns:
        if column not in data.column_names:
            close = difflib.get_close_matches(column, data.column_names, n=1)
            raise UserError(
                f"no column '{column}', only {', '.join(data.column_names)}",
                where=places.where(0),
                do=f"did you mean '{close[0]}'?" if close else "correct dataset.columns, inputs and label of the card",
            )


def _with_tags(card: TaskCard, data: Dataset, spans: str, places: Places) -> Dataset:
    """`data` with BIO tags made of a column of spans {start, end (exclusive), type}, where it has no tags yet."""
    if card.label in data.column_names or spans not in data.column_names:
        return data
    all_tags = []
    for i, (tokens, found) in enumerate(zip(data[card.inputs.get("tokens", "tokens")], data[spans], strict=True)):
        tags = ["O"] * len(tokens)
        for span in found:
            start, end = span["start"], span["end"]
            if not 0 <= start < end <= len(tokens):
                what = f"'{spans}' has a span {start}..{end} in {len(tokens)} tokens"
                raise UserError(what, where=places.where(i), do="correct the span; its end is exclusive")
            tags[start:end] = [f"B-{span['type']}"] + [f"I-{span['type']}"] * (end - start - 1)
        all_tags.append(tags)
    return data.add_column(card.label, all_tags)
