"""Propose a task: `python -m ptv2.init FILE|FOLDER` looks at rows and writes a card and a config for them.

The rows say what kind of task they are for: which field is the answer, which are read, how the answers are scored, how
long the texts are. Nothing is asked; what was guessed is said with its reason, stands in the card, and can be changed
there. Every row is checked, as `ptv2.tasks check` does.
"""

import argparse
import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ptv2.commands import shell as command
from ptv2.commands.tables import table
from ptv2.config.cards import make_card
from ptv2.config.local import LOCAL_FORMATS
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.guess.card import Guess

SHOWN = 4  # values of a field
MOST_BAD = 0.05  # share of a split's rows that a card may skip


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.guess.card import guess
    from ptv2.guess.write import backbone_for, card_text, config_text

    quiet_transformers()
    source = Path(options.source).expanduser()
    name = options.name or name_of(source)
    card_file, config_file = (options.out / f"{name}{ending}" for ending in (".card.yaml", ".yaml"))
    if present := [file for file in (card_file, config_file) if file.exists() and not options.overwrite]:
        raise UserError("is there already", where=present[0], do="give another --name, or --overwrite")
    found = guess(source, name)
    backbone = options.backbone or backbone_for(found.card["kind"])
    show(found, source)
    card, why, faults = checked(found, backbone)
    print("\n".join([f"kind: {card['kind']}", *(f"- {reason}" for reason in why)]))
    options.out.mkdir(parents=True, exist_ok=True)
    card_file.write_text(card_text(card, why, options.out), encoding="utf-8")
    config_file.write_text(config_text(found, card_file.name, backbone), encoding="utf-8")
    print(f"wrote {card_file} (the task) and {config_file} (a first run)")
    if faults:
        then = f"then: python -m ptv2.tasks check {quote(str(card_file))}"
        do = f"correct them, or write on_bad_row: skip into the card, {then}"
        raise UserError(f"{', '.join(faults)} rows cannot be used", where=source, do=do)
    if "train" in found.found.splits:
        print(f"train: python -m ptv2.fit --config {quote(str(config_file))}")
    else:
        print(f"score: python -m ptv2.evaluate --artifact runs/NAME --task {quote(str(card_file))}")


def checked(found: "Guess", backbone: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Measure the lengths, encode every row and print what was found.

    Returns:
        The card, the reasons for it, and the splits with more bad rows than a card may skip.
    """
    from ptv2.backbone import check_writer, position_count
    from ptv2.commands.task_check import COLUMNS, NOTE, check_rows
    from ptv2.commands.tasks import load_task
    from ptv2.config.schema import BackboneConfig
    from ptv2.guess.card import LENGTHS, TARGETS, with_lengths

    long: dict[str, Any] = found.card | {"max_length": max(LENGTHS)}
    if backbone_writes(found.card["kind"]):
        check_writer(BackboneConfig(name=backbone))
        long["options"] = (found.card.get("options") or {}) | {"max_target_length": max(TARGETS)}
    data = load_task(make_card(long), backbone)
    positions = position_count(BackboneConfig(name=backbone)) or max(LENGTHS)
    limit = min(max(LENGTHS), data.tokenizer.model_max_length, positions)
    card, reason = with_lengths(found.card, data, limit)
    why = [*found.why, reason]
    data = load_task(make_card(card), backbone)
    result = check_rows(card["name"], data, skip=True)
    few = all(bad <= MOST_BAD * len(data.rows[split].data) for split, bad in result.bad.items())
    table("checked", COLUMNS, result.lines, width=150)
    print(NOTE)
    if result.notes:
        print("\n  ".join(["bad rows, the first of each split:", *result.notes]))
    bad = {split: count for split, count in result.bad.items() if count}
    if bad and few and not result.unusable:
        card["on_bad_row"] = "skip"
        if (most := max(bad.values())) > make_card(card).bad_row_limit:
            card["bad_row_limit"] = most
        why.append(
            f"{', '.join(f'{count} {split}' for split, count in bad.items())} rows cannot be used and are skipped"
        )
        return card, why, []
    return card, why, [f"{count} of {len(data.rows[split].data)} {split}" for split, count in bad.items()]


def backbone_writes(kind: str) -> bool:
    from ptv2.kinds import KINDS

    return KINDS[kind].features.answers == "text"


def show(found: "Guess", source: Path) -> None:
    """Print the fields, and as what each is read."""
    from ptv2.kinds.templates import names_of

    card = found.card
    roles = {name: role for role, template in card["inputs"].items() for name in names_of(template)}
    roles |= {str(name): key for key, name in (card.get("options") or {}).items() if name in found.fields}
    roles[card["label"]] = "label"
    lines = []
    for field in found.fields.values():
        commonest = ", ".join(
            f"{value[:20]} {n / field.counts.total():.0%}" for value, n in field.counts.most_common(SHOWN)
        )
        few = field.counts and len(field.counts) <= max(SHOWN, len(field.values) // 4)
        about = commonest if few else f"{field.words:.0f} words" if field.form in WORDY else f"{field.distinct} differ"
        lines.append([field.name, HOLDS[field.form], f"{field.filled:.0%}", about, roles.get(field.name, "-")])
    first = found.found.first
    rows = ", ".join(f"{len(rows.data):,} {split}" for split, rows in found.found.splits.items())
    files = "" if card["dataset"]["path"] not in LOCAL_FORMATS else f", {card['dataset']['path']}"
    print(f"{source}{files}: {rows} rows; looked at {len(next(iter(found.fields.values())).values):,}")
    table(f"fields of {first.split}", ["field", "holds", "filled", "values", "read as"], lines, width=150)


WORDY = ("text", "texts", "lists")
HOLDS = {
    "text": "text", "truth": "true or false", "whole": "whole number", "number": "number", "texts": "list of texts",
    "wholes": "list of numbers", "lists": "list of lists", "objects": "list of objects", "object": "object",
    "empty": "empty list", "mixed": "of several types", "nothing": "nothing",
}  # fmt: skip


def name_of(path: Path) -> str:
    """Name a task by its file or folder; a file that is named as a split is, by its folder."""
    stem = path.resolve().name.partition(".")[0]
    if stem in ("train", "validation", "dev", "test", "data"):
        stem = path.resolve().parent.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "task"


def task_name(text: str) -> str:
    """Parse a `--name` option."""
    if not re.fullmatch(r"[\w-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not a name: use letters, digits, _ and -")
    return text


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.init", __doc__)
    made.add_argument(
        "source", metavar="FILE|FOLDER", help="JSON lines, CSV, TSV, CoNLL, Parquet, or a folder of splits"
    )
    made.add_argument("--name", type=task_name, help="of the task and the run (that of the file or folder)")
    made.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where both files are written (here)")
    made.add_argument("--backbone", help="to train on: a hub id, a folder, or demo:NAME (by kind)")
    made.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return made
