"""A study with a script of its own: cells of any key and work, run and kept as those of a comparison are."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from ptv2.runtime.stop import Stopped
from ptv2.study.cell import Cell, Lines
from ptv2.study.worker import Outcome


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options that all such scripts have: --table, --jobs N, and words of their own (`rest`)."""
    made = argparse.ArgumentParser()
    made.add_argument("--table", action="store_true", help="write the table of the finished cells and run none")
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="cells that run at a time (1)")
    made.add_argument("rest", nargs="*")
    return made.parse_args(words)


def finish(lines: Lines, cells: Sequence[Cell], jobs: int = 1) -> None:
    """Run the cells that are not finished and write their lines.

    Raises:
        SystemExit: with 2 if some failed, once the others are finished; after a signal, with its code.
    """
    from ptv2.study.pool import run_cells

    try:
        failed = run_cells(partial(unfinished, lines, cells), jobs, said)
    except Stopped as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(stop.code) from None
    if failed:
        raise SystemExit(2)


def unfinished(lines: Lines, cells: Sequence[Cell]) -> list[Cell]:
    """List the cells that neither their folder nor the file of results holds; the file gets what folders hold."""
    known = [line["cell"] for line in lines.gather(cells)]
    return [cell for cell in cells if cell.key not in known]


def said(cell: Cell, outcome: Outcome) -> None:
    """Print in a line how a cell went."""
    stream = sys.stderr if outcome.word == "failed" else sys.stdout
    print(f"{cell.name}: {outcome.word}{f' ({outcome.why})' if outcome.why else ''}", file=stream, flush=True)
