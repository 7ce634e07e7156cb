"""Load the rows of one split of a task from where its card says they are: the demo, files, a folder or the hub."""

import difflib
import hashlib
import string
import warnings
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from ptv2.config.cards import SPLITS, TaskCard
from ptv2.config.local import LOCAL_FORMATS
from ptv2.errors import UserError, nearest
from ptv2.rows import demo
from ptv2.rows.files import Form, RowFile, form_of, format_of, matching, read_file
from ptv2.rows.folders import files_in, saved_in
from ptv2.rows.hub import load_split
from ptv2.rows.parquet_rows import Faults, dataset_of
from ptv2.rows.rows import Places, Rows
from ptv2.rows.slices import made_of, of_train, rows_of
from ptv2.rows.spans import with_tags
from ptv2.rows.table import Table
from ptv2.rows.text import sha256_of

if TYPE_CHECKING:
    from datasets import Dataset


def load_rows(card: TaskCard, split: str, limit: int | None = None, seed: int = 0) -> Rows | None:
    """Load the rows of a split, or None where the card has no such split.

    Args:
        card: the task; `card.dataset.path` says which kind of source it is.
        split: train, validation or test.
        limit: largest number of rows, drawn with `seed`; they keep their order.
        seed: of that draw.

    Raises:
        UserError: the source cannot be read, is empty, or lacks a column of `card.dataset.columns`.
    """
    if split not in SPLITS:
        raise UserError(f"no split '{split}'", where=card.name, do=nearest(split, SPLITS))
    found = _find(card, split)
    if found is None:
        return None
    source, part = found()
    if not len(source.data):
        raise UserError("the split has no rows", where=f"{card.name} split '{split}'")
    _check_faults(card, source)
    data, spans = source.data, {key: card.options.get(f"{key}_column") for key in ("spans", "text")}
    if spans["spans"]:
        data = _with_tags(card, data, {key: name for key, name in spans.items() if name}, source.places)
    _check_columns(card, data, source.places)
    made_of = (source.content, spans["spans"], spans["text"]) if spans["text"] else (source.content, spans["spans"])
    fingerprint = hashlib.sha256(repr(made_of).encode()).hexdigest()
    rows = Rows(data, split, fingerprint, source.places)
    if part is not None:
        if of_train(card, split, len(rows.data)):
            what = f"{split} has rows that train has, too, by dataset.splits: its scores say nothing about new rows"
            warnings.warn(f"{card.name}: {what}", stacklevel=2)
        rows = rows.select(rows_of(part, len(rows.data), f"{card.name}.dataset.splits.{split}"))
    return rows.draw(limit, seed)


@dataclass(frozen=True)
class Source:
    """Rows, their places, what identifies their content, and the fields that could not be read."""

    data: "Dataset | Table"
    places: Places
    content: object
    faults: Faults


@dataclass(frozen=True)
class FilePlaces:
    """Rows of one or more files, one after the other."""

    files: tuple[tuple[Path, int, array | None], ...]  # path, number of rows, line of each

    def where(self, row: int) -> str:
        for path, count, lines in self.files:
            if row < count:
                return f"{path}, row {row}" if lines is None else f"{path}:{lines[row]}"
            row -= count
        raise IndexError(row)


@dataclass(frozen=True)
class NamedPlaces:
    """Rows without lines, as those of the hub."""

    name: str

    def where(self, row: int) -> str:
        return f"{self.name}, row {row}"


def _find(card: TaskCard, split: str) -> Callable[[], tuple[Source, str | None]] | None:
    """Find a split: what reads it returns its source, and the part of it that is the split (None: all)."""
    dataset, where = card.dataset, f"{card.name}.dataset.data_files"
    _known_splits(dataset.data_files, where)
    _known_splits(dataset.splits, f"{card.name}.dataset.splits")
    left_out = {name for name, file in dataset.data_files.items() if file is None}
    if split in left_out:
        return None
    dataset = replace(dataset, data_files={name: file for name, file in dataset.data_files.items() if file is not None})
    card = replace(card, dataset=dataset)
    folder = Path(dataset.path).expanduser()
    if dataset.path not in LOCAL_FORMATS and not folder.is_dir():
        if dataset.path.startswith((".", "/", "~")):
            raise UserError("no such folder", where=folder, do="give a folder of <split>.jsonl files, or a hub id")
        source = _elsewhere(card, split)
        return (lambda: (source, None)) if source else None

    def local(name: str) -> Callable[[], Source] | None:
        return _local(card, folder, name)

    base, part = made_of(card, split, lambda name: name in left_out or local(name) is not None)
    read = local(base)
    return (lambda: (read(), part)) if read else None


def _elsewhere(card: TaskCard, split: str) -> Source | None:
    """Read a split of the demo or the hub."""
    dataset = card.dataset
    named = dataset.data_files.get(split)
    asked = split if named else dataset.splits.get(split)
    if asked is None or (dataset.data_files and not named):
        return None
    if dataset.path == "demo":
        return _from_demo(dataset.name, asked)
    where = f"{'/'.join(filter(None, (dataset.path, dataset.name)))} split '{asked}'"
    data = load_split(dataset, asked, where, card.name)
    table = data.data.table.replace_schema_metadata(data.features.arrow_schema.metadata)
    rows, faults = dataset_of([table])  # read as a file of the same columns would be
    # For the hub, the library's own fingerprint comes from the commit and the split, not from a clock.
    return Source(rows, NamedPlaces(where), ("hub", data._fingerprint), faults)


def _known_splits(mapping: dict[str, Any], where: str) -> None:
    for name in mapping:
        if name not in SPLITS:
            raise UserError(f"no split '{name}'", where=where, do=nearest(name, SPLITS))


def _local(card: TaskCard, folder: Path, split: str) -> Callable[[], Source] | None:
    """Find a split of local files: the card's data_files (in a folder: those that lie there), else by file name."""
    dataset, where = card.dataset, f"{card.name}.dataset.data_files"
    if dataset.path in LOCAL_FORMATS:
        if not dataset.data_files:
            do = f"name them, e.g. task.dataset.data_files.train=FILE for path={dataset.path}"
            raise UserError("no data files", where=where, do=do)
        named = dataset.data_files.get(split)
        return partial(_from_files, card, matching(named, where), dataset.path) if named else None
    saved, is_saved = saved_in(folder, split)
    if is_saved:
        return partial(_from_saved, saved) if saved else None
    names = {name: [files] if isinstance(files, str) else files for name, files in card.dataset.data_files.items()}
    if any(list(folder.glob(file)) for files in names.values() for file in files if not Path(file).is_absolute()):
        if split not in names:
            return None
        paths = matching(names[split], where, folder)
        format = format_of(paths[0].name)
        if format is None:
            raise UserError(
                "its ending is not that of a known format", where=paths[0], do="set task.dataset.path=json, csv, ..."
            )
        return partial(_from_files, card, paths, format)
    found = files_in(folder, card.dataset, split)
    return partial(_from_files, card, *found) if found else None


def _from_saved(folder: Path) -> Source:
    """Read what `save_to_disk` wrote."""
    from datasets import Dataset

    files = sorted(folder.glob("*.arrow"))
    try:
        table = Dataset.load_from_disk(str(folder)).data.table
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        what = f"cannot be read as a data set that save_to_disk wrote ({error})"
        raise UserError(what, where=folder, do="save it again") from error
    data, faults = dataset_of([table])
    return Source(
        data, FilePlaces(((folder, len(data), None),)), ("saved", [sha256_of(file) for file in files]), faults
    )


def _from_files(card: TaskCard, paths: list[Path], format: str) -> Source:
    return read_files(paths, form_of(card, format))


def read_files(paths: list[Path], form: Form) -> Source:
    """Read the rows of one or more local files of one form, one file after the other.

    Raises:
        UserError: a file cannot be read.
    """
    files: list[RowFile] = [read_file(path, form) for path in paths]
    places = FilePlaces(tuple((file.path, len(file.data), file.lines) for file in files))
    content = (*form.identity(), [file.sha256 for file in files])
    if form.format == "parquet":
        data, faults = dataset_of([file.data for file in files])
        return Source(data, places, content, faults)
    data = files[0].data
    for file in files[1:]:
        data.extend(file.data)
    return Source(data, places, content, data.faults)


def _from_demo(name: str | None, split: str) -> Source:
    if name is None:
        raise UserError("no demo set is named", where="task.dataset.name", do=nearest("", demo.SETS))
    data = Table(demo.rows(name, split))
    return Source(data, NamedPlaces(f"demo/{name} split '{split}'"), ("demo", demo.SETS[name].sha256, split), {})


def _check_faults(card: TaskCard, source: Source) -> None:
    """Refuse a field that could not be read where the card reads it."""
    read = _read_by(card)
    for field, (row, what) in source.faults.items():
        if field in read:
            do = f"correct the field: the card '{card.name}' reads it"
            raise UserError(f"field '{field}' {what}", where=source.places.where(row), do=do)


def _read_by(card: TaskCard) -> set[str]:
    """List every name in a card that may be a field."""
    names, texts = {*card.dataset.columns, card.label}, [card.label, *card.inputs.values(), *_words(card.options)]
    for text in texts:
        names.add(text)
        names.add(text.partition(".")[0])
        try:
            parts = [name for _, name, *_ in string.Formatter().parse(text) if name]
        except ValueError:  # not a template
            continue
        names |= {part.partition("[")[0].partition(".")[0] for part in parts}
    return names


def _words(options: Any) -> list[str]:
    if isinstance(options, dict):
        return [word for key, value in options.items() for word in [str(key), *_words(value)]]
    if isinstance(options, list):
        return [word for value in options for word in _words(value)]
    return [options] if isinstance(options, str) else []


def _check_columns(card: TaskCard, data: "Dataset | Table", places: Places) -> None:
    for column in card.dataset.columns:
        if column not in data.column_names:
            close = difflib.get_close_matches(column, data.column_names, n=1)
            raise UserError(
                f"no column '{column}', only {', '.join(data.column_names)}",
                where=places.where(0),
                do=f"did you mean '{close[0]}'?" if close else "correct dataset.columns, inputs and label of the card",
            )


def _with_tags(card: TaskCard, data: "Dataset | Table", names: dict[str, str], places: Places) -> "Dataset | Table":
    """Add BIO tags made of a column of spans, where `data` has no tags yet."""
    tokens = card.inputs.get("tokens", "tokens")
    if names.get("text") == tokens:
        do = "give the words a name of their own, e.g. inputs: {tokens: tokens}"
        raise UserError("options.text_column is the same field", where=f"{card.name}.inputs.tokens", do=do)
    present = tokens if "text" in names else card.label
    if present in data.column_names:
        return data
    for key, name in names.items():
        if name not in data.column_names:
            what = f"no column '{name}', only {', '.join(data.column_names)}"
            raise UserError(
                what, where=places.where(0), do=f"correct options.{key}_column: {nearest(name, data.column_names)}"
            )
    fields = {"tokens": tokens, "tags": card.label}
    made = Table()
    for i, row in enumerate(cast("Iterable[dict[str, Any]]", data)):
        new = with_tags(row, names | {"tokens": tokens}, places.where(i))
        made.add(row | {fields[key]: value for key, value in new.items()})
    return made
