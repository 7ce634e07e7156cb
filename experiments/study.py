"""What all studies share: cells that run once each, and a table with mean ± std written from their results.

A study's results.jsonl holds one line per finished cell; running the study again runs the missing cells alone, and with
`--table` none: it writes the table of those that are finished.
"""

import json
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ptv2.runtime.environment import environment

TABLE_ONLY = "--table" in sys.argv
Cell = dict[str, Any]  # what identifies a run: system, task, seed, ...


def run_cells(folder: Path, cells: Iterable[Cell], run: Callable[[Cell], dict[str, Any]]) -> int:
    """Run every cell that results.jsonl does not hold yet; a cell's scores are appended when it is done.

    Returns:
        How many were run.
    """
    ran = 0
    if TABLE_ONLY:
        return ran
    for cell in cells:
        if any(line["cell"] == cell for line in read_results(folder)):
            continue
        print(f"running {cell}", flush=True)
        line = {"cell": cell, "scores": run(cell), "environment": environment()}
        with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        ran += 1
    return ran


def read_results(folder: Path) -> list[dict[str, Any]]:
    file = folder / "results.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def write_table(
    folder: Path,
    title: str,
    command: str,
    by: list[str],
    columns: list[str],
    results: list[dict[str, Any]] | None = None,
) -> None:
    """table.md: a row per value of the cell keys `by`, and mean ± std over seeds of each score in `columns`.

    Of all `results` of the folder, unless some are given.
    """
    results = read_results(folder) if results is None else results
    rows: dict[tuple, list[dict[str, float]]] = {}
    for line in results:
        rows.setdefault(tuple(line["cell"].get(key, "") for key in by), []).append(line["scores"])
    text = [
        f"# {title}",
        "",
        "| " + " | ".join([*by, *columns, "seeds"]) + " |",
        "|" + "---|" * (len(by + columns) + 1),
    ]
    for names, scores in sorted(rows.items(), key=lambda row: row[0][:-1]):  # in the order of the cells within a group
        cells = [spread([s[column] for s in scores if s.get(column) is not None]) for column in columns]
        text.append("| " + " | ".join([*map(str, names), *cells, str(len(scores))]) + " |")
    text += ["", f"Written by `{command}`; mean ± standard deviation over the seeds; scores are fractions.", ""]
    text += [*describe(results), ""]
    (folder / "table.md").write_text("\n".join(text), encoding="utf-8")
    print("\n".join(text))


def spread(values: list[float]) -> str:
    """Write mean ± std of the values, without ± for a single one."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def describe(results: list[dict[str, Any]]) -> list[str]:
    """List hardware and versions of the results, each once."""
    seen = []
    for line in results:
        made = line["environment"]
        versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
        machine = made["cpu"] if made["device"] == "cpu" else made["device"]
        seen.append(f"{machine}, {made['threads']} threads; {versions}.")
    return list(dict.fromkeys(seen))
