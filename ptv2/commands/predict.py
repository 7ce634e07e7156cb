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
    from ptv2.rows.asked_files import of_file

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
    count = bad = 0
    said: list[str] = []  # of rows that are skipped, until there is an answer: without one all of them are an error
    for asked, records in predictor.stream(parts, options.task, skip):
        for number in sorted(records):
            print(line(records[number]))
        sys.stdout.flush()
        count, bad = count + len(asked.rows), bad + len(asked.bad)
        said += [f"skipped: {asked.bad[number]}" for number in sorted(asked.bad)]
        if bad < count:
            print("".join(f"{words}\n" for words in said), end="", file=sys.stderr)
            said = []
    if bad:
        print(f"{bad} of {count} rows skipped", file=sys.stderr)


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
