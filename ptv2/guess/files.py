"""Rows of a file or a folder, as a card would read them: format, columns and splits are found out."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ptv2.config.cards import SPLITS, DatasetCard, TaskCard
from ptv2.config.local import LOCAL_FORMATS
from ptv2.errors import UserError
from ptv2.guess.unclear import check_header
from ptv2.kinds.templates import Row, value_at
from ptv2.rows.class_names import class_names
from ptv2.rows.conll import DOCUMENT, TAG
from ptv2.rows.csv_rows import OTHERS, is_tsv
from ptv2.rows.files import SUFFIXES, format_of
from ptv2.rows.folders import files_in, saved_in
from ptv2.rows.labels import missing, text_of
from ptv2.rows.rows import Rows
from ptv2.rows.sources import load_rows
from ptv2.rows.table import Table
from ptv2.rows.text import opened

SAMPLE = 4000  # rows that are looked at
LEAST = 5  # rows of which a tenth, rounded, is one
JOINED = re.compile(rf"[{re.escape(''.join(OTHERS))}](?=\S)")
"""A delimiter in the name of a column, with no blank after it as in a phrase."""
PARTS = {"train": "train[:90%]", "validation": "train[90%:]"}


@dataclass(frozen=True)
class Found:
    """Rows by split, and how a card reads them.

    Args:
        dataset: keys of the card's `dataset`.
        splits: the rows of each.
        options: of the card, for CoNLL files.
        why: how they are read, where that was a guess.
    """

    dataset: dict[str, Any]
    splits: dict[str, Rows]
    options: dict[str, Any] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    @property
    def first(self) -> Rows:
        """The training rows, or those of the first split."""
        return self.splits.get("train") or next(iter(self.splits.values()))

    def sample(self) -> list[Row]:
        """Return rows of the first split, evenly spaced where there are many."""
        data = self.first.data
        step = max(1, len(data) // SAMPLE)
        return list(cast(Iterable[Row], data.select(range(0, len(data), step))))

    def blank(self) -> frozenset[str]:
        """Return the fields that some row of any split lacks."""
        rows = [row for split in self.splits.values() for row in split]
        names = {name for split in self.splits.values() for name in split.data.column_names}
        return frozenset(name for name in names if any(missing(row.get(name)) for row in rows))

    def names(self) -> dict[str, list[str]]:
        """Return the names that the data set itself gives to ids, by field."""
        data = self.first.data
        return {name: names for name in data.column_names if (names := class_names(data, name))}

    def answered(self, field: str) -> "Found":
        """Leave out the splits whose rows hide their answers: none has one, or all are -1, as of no training row."""
        known = {text_of(value_at(row, field)) for row in self.first}
        hidden = [split for split, rows in self.splits.items() if rows is not self.first and _hides(rows, field, known)]
        if not hidden:
            return self
        kept = {split: rows for split, rows in self.splits.items() if split not in hidden}
        why = [f"the {split} rows hold no '{field}', so they are left out" for split in hidden]
        return Found(self.dataset | {"data_files": dict.fromkeys(hidden)}, kept, self.options, [*self.why, *why])


def find(path: Path) -> Found:
    """Read all rows of a file or of a folder of splits.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    if not path.exists():
        raise UserError("no such file or folder", where=path)
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> Found:
    dataset: dict[str, Any] = {
        "path": str(path.resolve())
    }  # a name without a slash is that of a set on the hub elsewhere
    files = (
        {} if saved_in(path, "train")[1] else {split: files_in(path, DatasetCard(**dataset), split) for split in SPLITS}
    )
    first, format = next((found for found in files.values() if found), ([path], ""))
    form, options, why = _form(first[0], format)
    card = _card(dataset | form, options)
    splits = {split: rows for split in SPLITS if (rows := load_rows(card, split)) is not None}
    for split, rows in splits.items():
        if found := files.get(split):
            _check_header(rows, *found)
    named = str(path) if str(path) not in ("demo", *LOCAL_FORMATS) else f"./{path}"  # a folder, and no word of a card
    dataset = {"path": named, **form}
    if "train" not in splits:
        dataset["splits"] = {split: split if split in splits else None for split in SPLITS}
        return Found(dataset, splits, options, ["there are no training rows, so the card only scores", *why])
    if "validation" in splits:
        return Found(dataset, splits, options, why)
    _check_count(splits["train"], path)
    dataset["splits"] = PARTS | {"test": "test" if "test" in splits else None}
    why = ["there are no validation rows, so they are the last tenth of train", *why]
    return Found(dataset, splits, options, why)


def _form(path: Path, format: str) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """Find how a file is read: keys of the card's `dataset`, its options, and why."""
    if format == "csv":
        form = _csv_form(path)
        why = [f"its cells are separated by {OTHERS[form['delimiter']]}"] if "delimiter" in form else []
        why += ["a quotation mark in it is a character (quoting: none)"] if form.get("quoting") == "none" else []
        return form, {}, why
    options = _conll_columns(path) if format == "conll" else {}
    return {}, options, [f"the words stand in column {options['token_column'] + 1}"] if options else []


def _check_header(rows: Rows, files: list[Path], format: str) -> None:
    if format == "csv":
        check_header(rows, f"{files[0]}:1")


def _hides(rows: Rows, field: str, known: Collection[str]) -> bool:
    """Tell whether no row has an answer."""
    values = [value_at(row, field) for row in rows]
    return all(_is_nothing(value) or (text_of(value) == "-1" and "-1" not in known) for value in values)


def _is_nothing(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return missing(value) if inner is None else all(map(_is_nothing, inner))


def _file(path: Path) -> Found:
    format = format_of(path.name)
    if format is None:
        endings = ", ".join(ending for suffixes in SUFFIXES.values() for ending in suffixes)
        raise UserError("its ending is not that of a known format", where=path, do=f"name it with one of {endings}")
    dataset: dict[str, Any] = {"path": format, "data_files": {"train": str(path)}}
    form, options, why = _form(path, format)
    dataset |= form
    why = ["there is one file, so the last tenth of its rows is for validation", *why]
    rows = load_rows(_card(dataset, options), "train")
    assert rows is not None  # the file is named
    _check_header(rows, [path], format)
    _check_count(rows, path)
    return Found(dataset | {"splits": PARTS | {"test": None}}, {"train": rows}, options, why)


def _check_count(rows: Rows, path: Path) -> None:
    """Refuse rows of which none would be left for validation."""
    if len(rows.data) < LEAST:
        do = f"give it {LEAST} or more, the last are for validation; of JSON, write an object a row, not a list a field"
        raise UserError(f"has {'one row' if len(rows.data) == 1 else f'{len(rows.data)} rows'}", where=path, do=do)


def _card(dataset: dict[str, Any], options: dict[str, Any] | None = None) -> TaskCard:
    """Make a card that reads rows and nothing in them; the fields of a CoNLL file get their usual names."""
    return TaskCard(
        name="init",
        kind="tagging",
        dataset=DatasetCard(**dataset),
        inputs={"tokens": "tokens"},
        label="tags",
        metrics=["accuracy"],
        options=options or {},
    )


def _csv_form(path: Path) -> dict[str, Any]:
    """Find the delimiter and the quoting that a CSV file can be read with, best where no name holds one.

    Raises:
        UserError: as the usual ones say it, where none does.
    """
    usual: UserError | None = None
    found: dict[str, Any] | None = None
    for quoting in (None, "minimal" if is_tsv(path) else "none"):
        for delimiter in (None, *OTHERS):
            form = {"delimiter": delimiter, "quoting": quoting}
            form = {key: value for key, value in form.items() if value is not None}
            try:
                rows = load_rows(_card({"path": "csv", "data_files": {"train": str(path)}, **form}), "train")
            except UserError as error:
                usual = usual or error
                continue
            if rows is not None and (twice := [name for name, (_, what) in _faults(rows) if "header" in what]):
                raise UserError(f"two columns are named '{twice[0]}'", where=f"{path}:1", do="rename one")
            if rows is not None and len(rows.data.column_names) > 1:
                if not any(map(JOINED.search, rows.data.column_names)):
                    return form
                found = found or form
    if found is not None:
        return found
    if usual is None:
        raise UserError("has one column", where=path, do="give each row a text and an answer, with a header")
    raise usual


def _faults(rows: Rows) -> Iterable[tuple[str, tuple[int, str]]]:
    return rows.data.faults.items() if isinstance(rows.data, Table) else ()


def _conll_columns(path: Path) -> dict[str, Any]:
    """Find the columns of words and tags: CoNLL-U numbers the words, and its fourth column holds parts of speech."""
    numbered, lines, tagged = 0, 0, Counter[int]()
    spans: set[int] = set()  # columns that hold other tags than O
    with opened(path, newline=None) as file:
        for line in file:
            if line.strip() and not line.startswith(("#", DOCUMENT)):
                cells = line.split("\t") if "\t" in line else line.split()
                numbered += cells[0].replace("-", "").replace(".", "").isdecimal() and len(cells) > 2
                are_tags = [place for place, cell in enumerate(cells) if TAG.fullmatch(cell)]
                tagged.update(are_tags)
                spans |= {place for place in are_tags if cells[place] != "O"}
                last, lines = len(cells) - 1, lines + 1
            if lines >= SAMPLE:
                break
    if not lines:
        return {}
    first = 1 if numbered >= 0.95 * lines else 0
    columns = [place for place in spans if tagged[place] > 0.95 * lines]
    if columns and last not in columns:  # of those that hold spans the last
        words = 1 if max(columns) == 0 else first
        return {"token_column": words, "tag_column": max(columns)}
    if first == 0:
        return {}
    return (
        {"token_column": 1, "tag_column": 3}
        if ".conllu" in [ending.lower() for ending in path.suffixes]
        else {"token_column": 1}
    )
