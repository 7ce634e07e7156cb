"""The table of `python -m ptv2.compare RUN [RUN ...]`: for people, as Markdown, CSV or JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ptv2.commands.report import table
from ptv2.errors import UserError
from ptv2.study.beside import Beside, beside
from ptv2.study.finished import by_seed, read_run
from ptv2.study.table import markdown as as_markdown


def compare_runs(options: argparse.Namespace) -> None:
    """Print a table of run folders, a line for each group that differs in the seed alone."""
    found = {path: read_run(path) for path in options.runs}
    runs = [run for run in found.values() if run is not None]
    none = [path for path, run in found.items() if run is None]
    if not runs:
        raise UserError("no results.json here", where=none[0], do="give the folder of a finished run")
    for path in none:
        print(f"warning: {path}: not a run folder, left out", file=sys.stderr)
    tasks = beside(by_seed(runs), options.sort)
    if options.json:
        print(json.dumps([line for task in tasks for line in task.lines], ensure_ascii=False))
    elif options.csv:
        made = csv.DictWriter(sys.stdout, tasks[0].lines[0], lineterminator="\n")
        made.writeheader()
        for line in (line for task in tasks for line in task.lines):
            made.writerow({key: " ".join(map(str, v)) if isinstance(v, list) else v for key, v in line.items()})
    else:
        show_runs(tasks, options.markdown)
        if not options.markdown:
            print(f"curves: tensorboard --logdir {Path(options.runs[0]).parent}")


def show_runs(tasks: Sequence[Beside], markdown: bool) -> None:
    """Print a table for people, or as Markdown, and below it what its columns need to be understood."""
    rows, notes = [], []
    for task in tasks:
        for line in task.lines:
            rows.append(cells(line))
        trivial = [f"{task.split} {task.metric}", "-", "-" if task.baseline is None else f"{task.baseline:.4f}"]
        rows.append(["trivial baseline", task.card, *trivial, *["-"] * 7, "0"])
        if task.reference is not None:
            notes.append(
                f"{task.card}: differences are to {task.reference}, paired by row and seed, with 95 % intervals; "
                "* the interval does not hold 0"
            )
        if odd := [line["run"] for line in task.lines if line["other_rows"]]:
            notes.append(
                f"{task.card}: {', '.join(odd)} scored on other {task.split} rows than the first: do not compare"
            )
    if any(len(line["seeds"]) > 1 for task in tasks for line in task.lines):
        notes.append("± is the standard deviation over runs that differ in their seed alone")
    shown = [i for i in range(len(HEADS)) if i < 5 or any(row[i] not in ("-", "0") for row in rows)]
    heads, rows = [HEADS[i] for i in shown], [[row[i] for i in shown] for row in rows]
    if markdown:
        print(as_markdown("Runs", heads, rows, notes), end="")
        return
    table("runs", heads, rows, width=180)
    for note in notes:
        print(note)


HEADS = (
    *("run", "task", "metric", "rows", "score", "difference", "validation"),
    *("lr", "P", "train rows", "seconds", "seeds", "trainable"),
)


def cells(line: dict[str, Any]) -> list[str]:
    """Write a line of the table as text."""
    state = "" if line["state"] == "finished" else f" [{line['state']}]"
    rows = "-" if line["rows"] is None else f"{line['rows']:,}"
    if line["of"] != line["rows"]:
        rows += f" of {line['of']:,}"
    end = None if line["difference"] is None else (line["low"] > 0 or line["high"] < 0)
    difference = "-" if end is None else "{difference:+.4f} [{low:+.4f}, {high:+.4f}]".format(**line) + "*" * end
    return [
        f"{line['run']} ({line['method']}){state}",
        line["task"],
        f"{line['split']} {line['metric']}",
        rows + " (other rows)" * line["other_rows"],
        spread(line["score"], line["score_std"]),
        difference,
        spread(line["validation"], line["validation_std"]),
        "-" if line["lr"] is None else f"{line['lr']:g}" if isinstance(line["lr"], float) else str(line["lr"]),
        "-" if line["P"] is None else str(line["P"]),
        "-" if line["trained_on"] is None else f"{line['trained_on']:,}",
        "-" if line["seconds"] is None else f"{line['seconds']:.0f}",
        ", ".join(map(str, line["seeds"])),
        "-" if line["trainable"] is None else f"{line['trainable']:,}",
    ]


def spread(mean: float | None, std: float | None) -> str:
    """Write mean ± std, without ± for a single value."""
    return "-" if mean is None else f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"
