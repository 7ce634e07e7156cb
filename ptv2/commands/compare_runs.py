"""The table of `python -m ptv2.compare RUN [RUN ...]`: for people, as Markdown, CSV or JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from ptv2.commands.tables import table
from ptv2.errors import UserError
from ptv2.rows.json_rows import finite
from ptv2.study.beside import Beside, beside
from ptv2.study.finished import by_seed, inside, read_run
from ptv2.study.shown import shown
from ptv2.study.table import markdown as as_markdown


def compare_runs(options: argparse.Namespace) -> None:
    """Print a table of run folders, a line for each group that differs in the seed alone."""
    found = {path: read_run(path) for path in options.runs}
    runs = [run for run in found.values() if run is not None]
    none = [path for path, run in found.items() if run is None]
    if not runs:
        within = inside(none[0])
        do = f"give the folders in it: {within}" if within else "give the folder of a finished run"
        raise UserError("no results.json here", where=none[0], do=do)
    for path in none:
        print(f"warning: {path}: not a run folder, left out", file=sys.stderr)
    tasks = beside(by_seed(runs), options.sort)
    if options.json:
        lines = [line for task in tasks for line in task.lines]
        print(json.dumps(finite(lines), ensure_ascii=False, allow_nan=False))
    elif options.csv:
        made = csv.DictWriter(sys.stdout, tasks[0].lines[0], lineterminator="\n")
        made.writeheader()
        for line in (line for task in tasks for line in task.lines):
            made.writerow({key: " ".join(map(str, v)) if isinstance(v, list) else v for key, v in line.items()})
    else:
        show_runs(tasks, options.markdown)
        if not options.markdown:
            print(f"curves: tensorboard --logdir {quote(str(Path(options.runs[0]).parent))}")


def show_runs(tasks: Sequence[Beside], markdown: bool) -> None:
    """Print a table for people, or as Markdown, and below it what its columns need to be understood."""
    made = shown(tasks)
    if markdown:
        print(as_markdown("Runs", made.heads, made.rows, made.notes), end="")
        return
    table("runs", made.heads, made.rows, width=180)
    for note in made.notes:
        print(note)
