"""Predict: `python -m ptv2.predict --artifact DIR --input FILE|-`, JSON lines in, JSON lines out.

Each row of the input, which may be a JSON document, CSV, TSV or Parquet too, holds the fields that the task's card
reads. Each output line holds the row's number and the `prediction`, with scores, and the row's own answer as `gold`,
where there are any (docs/predictions.md); `--output FILE` writes JSON lines, CSV, TSV or Parquet. Rows may be of
several tasks, of one artifact or of several (`--artifact A --artifact B`): the field `task` then says of which, and
rows of all tasks share batches.
"""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.commands import shell as command
from ptv2.config.run import PredictionsConfig
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.model.record_files import RecordFile
    from ptv2.model.superglue import SuperglueZip


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.model.predictions import line
    from ptv2.model.predictor import Predictor
    from ptv2.model.superglue import SuperglueZip
    from ptv2.rows.asked_files import of_file
    from ptv2.runtime.progress import Progress

    if limits := [item for item in options.overrides if item.startswith("data.limit")]:
        what = f"{limits[0]} is for the splits of a card, and all rows of --input are answered"
        raise UserError(what, where="command line", do="leave it out")
    quiet_transformers()
    skip = options.on_bad_row == "skip"
    predictor = Predictor(
        *options.artifact,
        overrides=options.overrides,
        device=options.device,
        imports=options.imports,
        allow_other_precision=options.allow_other_precision,
    )
    forms = {(card.dataset.delimiter, card.dataset.quoting) for card in predictor.config.tasks.values()}
    parts = of_file(options.input, *(forms.pop() if len(forms) == 1 else ()))  # a CSV file as the card's own
    shown = PredictionsConfig(options.top, options.with_inputs)
    count = bad = 0
    said: list[str] = []  # of rows that are skipped, until there is an answer: without one all of them are an error
    made = target(options, {name: card.name for name, card in predictor.config.tasks.items()})
    with made as file, Progress("answering", None) as progress:
        for asked, records in predictor.stream(parts, options.task, skip, shown):
            for number in sorted(records):
                if file is None:
                    print(line(records[number]))
                else:
                    file.add(records[number])
            sys.stdout.flush()
            progress.add(len(asked.rows))
            count, bad = count + len(asked.rows), bad + len(asked.bad)
            said += [f"skipped: {asked.bad[number]}" for number in sorted(asked.bad)]
            if bad < count:
                print("".join(f"{words}\n" for words in said), end="", file=sys.stderr)
                said = []
    if bad:
        print(f"{bad} of {count} rows skipped", file=sys.stderr)
    if isinstance(file, SuperglueZip):
        print(file.said)


def target(options: argparse.Namespace, cards: dict[str, str]) -> "RecordFile | SuperglueZip | nullcontext[None]":
    """Return what takes the records: a file, a submission, or nothing, so that they are printed."""
    from ptv2.model.record_files import RecordFile
    from ptv2.model.superglue import SuperglueZip

    if options.superglue_zip is None:
        if options.superglue_name is not None:
            raise UserError("--superglue-name without --superglue-zip", where="command line", do="name the zip")
        if options.output is not None and options.output.resolve() == Path(options.input).resolve():
            raise UserError("is the input, which would be lost", where=options.output, do="write another file")
        return RecordFile(options.output) if options.output else nullcontext()
    if options.output is not None:
        raise UserError("--output and --superglue-zip", where="command line", do="give one of them")
    if options.task in cards:  # of all rows
        cards = {options.task: cards[options.task]}
    return SuperglueZip(options.superglue_zip, cards, options.superglue_name)


def top(text: str) -> int | None:
    """Parse `--top`: a number from 1, or all."""
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number from 1 nor 'all'")
    return int(text)


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.predict", __doc__, imports=True)
    made.add_argument(
        "--artifact",
        required=True,
        action="append",
        metavar="DIR",
        help="a run folder, or its prompt/ folder; may be repeated",
    )
    made.add_argument(
        "--input", required=True, help="file of JSON lines or rows in another format, or - for standard input"
    )
    made.add_argument("--output", type=Path, metavar="FILE", help=".jsonl, .csv, .tsv or .parquet; without: printed")
    made.add_argument(
        "--superglue-zip", type=Path, metavar="FILE", help="put the answers into a submission to the SuperGLUE server"
    )
    made.add_argument(
        "--superglue-name", metavar="NAME", help="file there, e.g. AX-b; without: that of the task's own card"
    )
    made.add_argument(
        "--top", type=top, default=PredictionsConfig.top, metavar="K", help="number of highest scores, or all (5)"
    )
    made.add_argument("--with-inputs", action="store_true", help="put the fields that the card reads into `inputs`")
    made.add_argument("--task", help="the task of all rows, instead of their field `task`")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument(
        "--on-bad-row", default="error", choices=("error", "skip"), help="skip: skip rows that cannot be used"
    )
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the artifact's config")
    return made
