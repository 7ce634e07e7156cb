"""Tables of finished cells: as markdown, and the same rows as CSV and JSON lines."""

import csv
import io
import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ptv2.runtime.files import write_text
from ptv2.study.cell import Line, Lines
from ptv2.study.columns import COLUMNS, DEFAULT, EXPLAINED, OPTIONAL, Row, spread

NUMBERS = [name for name in COLUMNS if name not in ("metric", "difference", "perplexity outside")]


def markdown(title: str, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Sequence[str]) -> str:
    """Write a table with its title and what stands below it."""
    first, *body = ["| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |" for cells in [head, *rows]]
    return "\n".join([f"# {title}", "", first, "|" + "---|" * len(head), *body, "", *notes, ""])


def comparison(
    title: str,
    rows: list[Row],
    columns: Sequence[str],
    reference: str | None,
    command: str,
    missing: Sequence[str],
    several: bool = True,
) -> str:
    """Write the table of a comparison, a row per task and method, and what its columns mean.

    Args:
        title: of the table.
        rows: with at least one finished cell each.
        columns: those asked for; none: all that show something.
        reference: what the differences are to.
        command: that writes it.
        missing: names of the cells that are not finished.
        several: whether there are several methods, so that a column names them.
    """
    shown = list(columns) or [c for c in DEFAULT if c not in OPTIONAL or any(COLUMNS[c](row) != "-" for row in rows)]
    heads = [f"difference to {reference}" if column == "difference" else column for column in shown]
    head = ["task", *(["method"] if several else []), *heads, "seeds"]
    cells = [
        [row.task, *([row.method] if several else []), *(COLUMNS[c](row) for c in shown), str(len(row.lines))]
        for row in rows
    ]
    notes = [f"Written by `{command}`; mean ± standard deviation over the seeds; scores are fractions."]
    if not columns:
        notes += ["", *(f"- {c}: {EXPLAINED[c].format(reference=reference)}." for c in shown if c in EXPLAINED)]
    if missing:
        notes += ["", f"Missing, not finished yet: {'; '.join(missing)}."]
    return markdown(title, head, cells, [*notes, "", *describe([line for row in rows for line in row.lines])])


def plain(row: Row) -> dict[str, Any]:
    """Return a row as plain values."""
    named = {name: values for name in NUMBERS if (values := row.values(name))}
    return {
        "task": row.task,
        "method": row.method,
        "metric": COLUMNS["metric"](row),
        "seeds": row.seeds,
        "mean": {name: statistics.mean(values) for name, values in named.items()},
        "std": {name: statistics.stdev(values) for name, values in named.items() if len(values) > 1},
        "difference": row.difference,
    }


def write_data(folder: Path, rows: list[Row]) -> None:
    """Write the rows as table.jsonl and table.csv."""
    values = [plain(row) for row in rows]
    write_text(folder / "table.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in values))
    names = [name for name in NUMBERS if any(name in row["mean"] for row in values)]
    text = io.StringIO()
    made = csv.writer(text, lineterminator="\n")
    ends = ["value", "low", "high"]
    made.writerow(
        [
            *("task", "method", "metric", "seeds"),
            *(f"{name} {what}" for name in names for what in ("mean", "std")),
            *("reference", *(f"difference {end}" for end in ends)),
        ]
    )
    for row in values:
        numbers = [row[what].get(name, "") for name in names for what in ("mean", "std")]
        found = row["difference"] or {}
        differences = ["" if found.get(key) is None else found[key] for key in ("reference", *ends)]
        made.writerow([row["task"], row["method"], row["metric"], len(row["seeds"]), *numbers, *differences])
    write_text(folder / "table.csv", text.getvalue())


def write_table(
    folder: Path, title: str, command: str, by: list[str], columns: list[str], lines: list[Line] | None = None
) -> None:
    """Write table.md of a study of another form: a row per value of the keys `by`, mean ± std of the scores `columns`.

    Of all lines in the folder's results.jsonl, unless some are given; it is printed, too.
    """
    lines = Lines(folder / "results.jsonl").read() if lines is None else lines
    rows: dict[tuple, list[dict[str, Any]]] = {}
    for line in lines:
        rows.setdefault(tuple(line["cell"].get(key, "") for key in by), []).append(line["scores"])
    cells = []
    for names, scores in sorted(rows.items(), key=lambda row: row[0][:-1]):  # in the order of the cells within a group
        values = [spread([s[column] for s in scores if s.get(column) is not None]) for column in columns]
        cells.append([*map(str, names), *values, str(len(scores))])
    note = f"Written by `{command}`; mean ± standard deviation over the seeds; scores are fractions."
    text = markdown(title, [*by, *columns, "seeds"], cells, [note, "", *describe(lines)])
    write_text(folder / "table.md", text)
    print(text)


def describe(lines: Iterable[Line]) -> list[str]:
    """List hardware and versions of the results, each once."""
    seen = []
    for line in lines:
        made = line["environment"]
        versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
        machine = made["cpu"] if made["device"] == "cpu" else made["device"]
        seen.append(f"{machine}, {made['threads']} threads; {versions}.")
    return list(dict.fromkeys(seen))
