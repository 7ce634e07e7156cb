"""Predict: `python -m ptv2.predict --artifact DIR --input FILE|-`, JSON lines in, JSON lines out.

Each row of the input, which may be a JSON document, CSV, TSV or Parquet too, holds the fields that the task's card
reads; each output line holds the prediction under the card's label field, with scores where the kind has them. Rows
may be of several tasks, of one artifact or of several (`--artifact A --artifact B`): the field `task` then says of
which, and rows of all tasks share batches.
"""

import argparse
import sys

from ptv2.commands import shell as command


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.model.predictions import line
    from ptv2.model.predictor import Predictor
    from ptv2.rows.asked import of_file

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
    asked = of_file(options.input, *(forms.pop() if len(forms) == 1 else ()))  # a CSV file as the card's own
    if not skip:
        asked.check()
    records = predictor.answer(asked, options.task, skip)
    for number in sorted(records):
        print(line(records[number]))
    for number in sorted(asked.bad):
        print(f"skipped: {asked.bad[number]}", file=sys.stderr)
    if asked.bad:
        print(f"{len(asked.bad)} of {len(asked.rows)} rows skipped", file=sys.stderr)


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
    made.add_argument("--task", help="the task of all rows, instead of their field `task`")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument(
        "--on-bad-row", default="error", choices=("error", "skip"), help="skip: skip rows that cannot be used"
    )
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the artifact's config")
    return made
