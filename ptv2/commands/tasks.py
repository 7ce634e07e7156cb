"""Task cards: `python -m ptv2.tasks list | show CARD | check [CARD ...]`.

list: what there is. show: a card, and one example of it in and out. check: every row of every split.

`--data DIR` (or PTV2_DATA) is a folder of data sets, each in a folder of <split>.jsonl files: a card whose set is there
reads it instead of the hub. A set's folder is named as the last part of the card's name, or as its `dataset.local`.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.commands import shell as command
from ptv2.commands.tables import table
from ptv2.config.cards import SPLITS, TaskCard, list_cards, make_card, read_card
from ptv2.config.load import make_config
from ptv2.config.local import LOCAL_FORMATS, VARIABLE, folder_of
from ptv2.config.schema import BackboneConfig
from ptv2.errors import Unreachable, UserError, nearest
from ptv2.runtime.imports import load_files

if TYPE_CHECKING:
    from ptv2.data.taskdata import TaskData


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers

    quiet_transformers()
    load_files(options.imports)
    names = [item for item in options.items if "=" not in item]
    overrides = [item for item in options.items if "=" in item]
    COMMANDS[options.command](options, names, overrides)


# -- list --------------------------------------------------------------------------------------------------------------


def list_command(options: argparse.Namespace, names: list[str], overrides: list[str]) -> None:
    """Print a line per card; a card that cannot be read is reported after them."""
    from ptv2.kinds import KINDS

    lines, faults = [], []
    for name in names or list_cards():
        try:
            card = make_card(read_card(name), where=name)
        except UserError as error:
            faults.append(error)
            continue
        if options.kind in (None, card.kind):
            source = "/".join(filter(None, (card.dataset.path, card.dataset.name)))
            lines.append([name, str(card.version), card.kind, card.metrics[0], source])
    if not lines and not faults:
        raise UserError(f"no card of kind '{options.kind}'", where="--kind", do=nearest(options.kind or "", KINDS))
    table("task cards", ["card", "version", "kind", "main metric", "data set"], lines, width=120)
    _fail(faults)


# -- show --------------------------------------------------------------------------------------------------------------


def show_command(options: argparse.Namespace, names: list[str], overrides: list[str]) -> None:
    """Print the card, then one row of it: as it is read, as tokens, and decoded back."""
    from ptv2.commands.task_show import card_lines, example_lines

    if len(names) != 1:
        raise UserError(f"{len(names)} cards", where="command line", do="name one, e.g. show demo/bbc_topic")
    card = card_with(names[0], overrides, options.data)
    print("\n".join([f"# {list_cards().get(names[0], names[0])}", *card_lines(card)]))
    data = load_task(card, options.backbone, options.split)
    split = options.split or next(iter(data.rows))
    if split not in data.rows:
        raise UserError(f"has no split '{split}'", where=card.name, do=nearest(split, data.rows))
    rows = data.rows[split]
    if not 0 <= options.row < len(rows.data):
        raise UserError(f"{split} has rows 0 to {len(rows.data) - 1}", where="--row")
    print("\n".join(example_lines(data.features, rows, options.row)))


# -- check -------------------------------------------------------------------------------------------------------------


def check_command(options: argparse.Namespace, names: list[str], overrides: list[str]) -> None:
    """Count the rows of all splits; exit code 2 if a card cannot be loaded or has bad rows that it may not skip."""
    from datasets import config as hub

    from ptv2.commands.task_check import COLUMNS, NOTE, check_rows

    lines, notes, unchecked, faults = [], [], [], []
    hub_is_down = False
    for name in names or list_cards():
        if sys.stderr.isatty():
            print(f"checking {name}", file=sys.stderr)
        try:
            card = card_with(name, overrides, options.data)
            if card.dataset.path in LOCAL_FORMATS and not card.dataset.data_files:
                unchecked.append(f"{name}: the card names no files (--data, or task.dataset.path=FOLDER)")
                continue
            if hub_is_down and not _is_local(card):
                unchecked.append(f"{name}: the hub is not reachable")
                continue
            data = load_task(card, options.backbone)
            if card.dataset.splits.get("train") is not None:  # null: a card that is only scored
                data.check_trains("its dataset")
        except Unreachable as error:
            hub_is_down = not hub.HF_HUB_OFFLINE  # a further try would wait for the network again
            unchecked.append(f"{name}: {str(error).partition(';')[0]}")
            continue
        except UserError as error:
            faults.append(error if str(error).startswith(name) else UserError(str(error), where=name))
            continue
        checked = check_rows(name, data, skip=card.on_bad_row == "skip")
        lines, notes = lines + checked.lines, notes + checked.notes
        if checked.unusable:
            faults.append(UserError(f"{', '.join(checked.unusable)} rows cannot be used", where=name))
    if lines:
        table("checked", COLUMNS, lines, width=150)
        print(NOTE)
    for title, reasons in (("bad rows, the first of each split", notes), ("not checked", unchecked)):
        if reasons:
            print("\n  ".join([f"{title}:", *reasons]))
    _fail(faults)


def _is_local(card: TaskCard) -> bool:
    return card.dataset.path in ("demo", *LOCAL_FORMATS) or Path(card.dataset.path).is_dir()


def _fail(faults: list[UserError]) -> None:
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        raise SystemExit(2)


# -- what both read ----------------------------------------------------------------------------------------------------


def card_with(name: str, overrides: list[str], data: Path | None) -> TaskCard:
    """Read the card `name` with `task.key=value` overrides, and point it to its folder under `data`, if any.

    Raises:
        UserError: no such card, or a key or value that it cannot have.
    """
    from ptv2.kinds.check import check_card

    card = read_card(name)
    folder = folder_of(card["dataset"], card["name"], data)
    task = {"card": name} | ({"dataset": {"path": str(folder)}} if folder is not None else {})
    values = {"task": task, "backbone": {"name": "none"}, "run": {"name": "tasks"}}
    full = [item if item.startswith("task.") else f"task.{item}" for item in overrides]
    card = next(iter(make_config(values, full, where=name).tasks.values()))
    check_card(card)
    return card


def load_task(card: TaskCard, backbone: str, split: str | None = None) -> "TaskData":
    """Load the rows of a card and the features that a backbone would read; bad rows stay in."""
    from ptv2.backbone import is_encoder_decoder, load_tokenizer
    from ptv2.data.taskdata import TaskData

    config = BackboneConfig(name=backbone)
    tokenizer = load_tokenizer(config)
    # A tokenizer without an end-of-text token cannot write a target: its model reads the source like an encoder.
    decoder_only = tokenizer.eos_token_id is not None and not is_encoder_decoder(config)
    # The labels may have to be read from the training rows.
    splits = SPLITS if split is None else tuple(dict.fromkeys(("train", split)))
    return TaskData(replace(card, on_bad_row="error"), tokenizer, splits=splits, decoder_only=decoder_only)


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.tasks", "List, show and check task cards.", imports=True)
    made.add_argument("command", choices=sorted(COMMANDS), help="what to do")
    made.add_argument("items", nargs="*", metavar="CARD|key=value", help="cards (check: default all), keys to override")
    made.add_argument("--kind", help="list: only cards of this kind")
    made.add_argument("--split", choices=SPLITS, help="show: of which split (default: the first that the card has)")
    made.add_argument("--row", type=int, default=0, help="show: number of the row, from 0")
    data = os.environ.get(VARIABLE)
    data_help = "folder with a folder of <split>.jsonl files per data set (default: PTV2_DATA)"
    made.add_argument("--data", type=Path, default=Path(data) if data else None, help=data_help)
    made.add_argument("--backbone", default="demo:minilm-l6", help="whose tokenizer to use")
    return made


COMMANDS = {"list": list_command, "show": show_command, "check": check_command}
