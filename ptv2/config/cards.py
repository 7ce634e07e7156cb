"""Task cards: what a task is, in one YAML file.

A card says where the rows are (`dataset`), which fields are read (`inputs`, `label`), what the answers are called
(`labels`), how they are scored (`metrics`, the first one chooses the checkpoint) and which `kind` of head reads the
states. `tasks/` holds the cards that ship with the package; `PTV2_TASKS` (a path list) adds folders of the user's own.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from omegaconf import MISSING, OmegaConf

import ptv2.tasks  # pyright: ignore[reportMissingImports] - installed from the checkout's tasks/ folder
from ptv2.config.keys import NONNEGATIVE, Range, number, outside
from ptv2.config.local import beside
from ptv2.config.merge import merge, read_mapping, schema_of
from ptv2.errors import UserError, nearest

SPLITS = ("train", "validation", "test")


@dataclass
class DatasetCard:
    """Where the rows come from."""

    path: str = MISSING  # hub id | json | csv | parquet | conll | demo | a local folder of <split>.<format> files
    name: str | None = None  # configuration on the hub, or the set of the demo
    revision: str | None = None  # hub revision, for runs that must repeat
    # split -> file, pattern (train-*.parquet), or several; null: none
    data_files: dict[str, Any] = field(default_factory=dict)
    delimiter: str | None = None  # of CSV files: one character, or tab; null: a tab in .tsv files, else a comma
    quoting: str | None = None  # of CSV files: minimal | none (marks are characters); null: none in .tsv files
    # train, validation and test -> the hub's name of the split
    splits: dict[str, Any] = field(default_factory=lambda: {name: name for name in SPLITS})
    columns: list[str] = field(default_factory=list)  # the fields that a row must have
    local: str | None = None  # its folder in a folder of data sets (PTV2_DATA); null: the last part of the card's name


@dataclass
class TaskCard:
    """One task. Every key of a card's YAML file is one of these fields."""

    name: str = MISSING  # folder/file, e.g. glue/rte
    version: int = 1  # raised when scores of the card stop being comparable
    kind: str = MISSING  # which head reads the states: `ptv2 tasks` and docs/tasks.md list the kinds
    description: str = ""  # what the task is, in a sentence
    source: str = ""  # paper or page, and licence where known
    dataset: DatasetCard = field(default_factory=DatasetCard)
    inputs: dict[str, str] = field(default_factory=dict)  # role -> field name, or a template such as "{a} and {b}"
    label: str = "label"  # field of the answer
    labels: list[str] | None = None  # their names, in order; null: read from the training rows
    label_ids: bool = False  # whether the rows may hold ids of `labels`, counted from 0; a name comes before an id
    metrics: list[str] = field(default_factory=list)  # the first one chooses the checkpoint
    language: str | None = None  # of texts that are scored, as an ISO 639 code (zh, de); null: their script decides
    max_length: int = number(128, Range("4 or more tokens", lambda x: x >= 4))  # tokens, special ones included
    on_bad_row: Literal["error", "skip"] = "error"  # skip: skip rows that cannot be used, and report how many
    bad_row_limit: int = number(100, NONNEGATIVE)  # with skip: more bad rows than this in a split are an error
    options: dict[str, Any] = field(default_factory=dict)  # settings of the kind


def card_folders() -> list[Path]:
    """List the folders that are searched for cards, the user's own first.

    Raises:
        UserError: PTV2_TASKS names one that is not there.
    """
    own = [Path(p) for p in os.environ.get("PTV2_TASKS", "").split(os.pathsep) if p]
    for folder in own:
        if not folder.is_dir():
            raise UserError(
                "no such folder", where=f"PTV2_TASKS: {folder}", do="name folders of task cards, or unset it"
            )
    return own + [Path(p) for p in ptv2.tasks.__path__]


def list_cards() -> dict[str, Path]:
    """Find every card: name -> file. A user's card hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in card_folders():
        for path in sorted(folder.rglob("*.yaml")):
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def read_card(name: str) -> dict[str, Any]:
    """Read the card called `name` (or at the path `name`) as a plain mapping, checked against the schema.

    Files that it names are looked for beside it, then from where the command runs.

    Raises:
        UserError: no such card, unreadable YAML, or a key or type the schema does not have.
    """
    path, full_name = Path(name), name
    if path.suffix in (".yaml", ".yml"):
        full_name = path.stem
        if not path.is_file():
            raise UserError("no such task card", where=path)
    else:
        cards = list_cards()
        if name not in cards:
            raise UserError(f"no task card '{name}'", where="task", do=nearest(name, cards))
        path = cards[name]
    mapping = read_mapping(path, "a card", TaskCard)
    mapping.setdefault("name", full_name)
    plain = OmegaConf.to_container(merge(schema_of(TaskCard), mapping, where=str(path)))
    return beside(cast("dict[str, Any]", plain), path.parent)


def make_card(mapping: dict[str, Any], where: str = "task") -> TaskCard:
    """Make a checked card from its mapping.

    Raises:
        UserError: an unknown key, a required key without a value, or a value that does not fit.
    """
    card = cast(TaskCard, OmegaConf.to_object(merge(schema_of(TaskCard), mapping, where=where)))
    check_values(card, where)
    return card


def check_values(card: TaskCard, where: str) -> None:
    """Refuse values of a card that have the right type but cannot work.

    Raises:
        UserError: at the first one.
    """
    if not card.metrics:
        raise UserError("a card needs at least one metric", where=f"{where}.metrics", do="name it, e.g. [accuracy]")
    _check_files(card.dataset, f"{where}.dataset")
    if (found := outside(card)) is not None:
        key, value, words = found
        raise UserError(f"{key} is {value}", where=f"{where}.{key}", do=f"use {words}")
    if card.language is not None and not re.fullmatch("[a-z]{2,3}([-_][a-z0-9]+)*", card.language.lower()):
        do = "use its ISO 639 code, e.g. zh, de or no"
        raise UserError(f"language is '{card.language}'", where=f"{where}.language", do=do)
    if card.labels is not None and len(set(card.labels)) != len(card.labels):
        twice = next(label for label in card.labels if card.labels.count(label) > 1)
        raise UserError(f"a label name appears twice: '{twice}'", where=f"{where}.labels", do="remove one of the two")
    if card.labels is not None and not all(label.strip() for label in card.labels):
        do = "name it: a blank in a row is no label"
        raise UserError("a label name is blank", where=f"{where}.labels", do=do)
    if card.labels is not None and len(card.labels) < 2:
        do = "name 2 or more, or none to read them from the training rows"
        raise UserError(f"{len(card.labels)} label(s)", where=f"{where}.labels", do=do)


def _check_files(dataset: DatasetCard, where: str) -> None:
    """Refuse names of files and splits that are no texts."""
    for split, named in dataset.data_files.items():
        files = named if isinstance(named, list) else [named]
        if named is not None and not (files and all(isinstance(file, str) and file.strip() for file in files)):
            do = "name a file, or several as [a, b]; a name that is a number is written in quotes"
            raise UserError(f"data_files is '{named}'", where=f"{where}.data_files.{split}", do=do)
    for split, name in dataset.splits.items():
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise UserError(
                f"splits is '{name}'", where=f"{where}.splits.{split}", do="name a split in quotes, or null"
            )
