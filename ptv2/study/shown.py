"""The lines of `beside` as texts: the columns that hold something, and what they need to be understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ptv2.study.beside import Beside

HEADS = (
    *("run", "task", "metric", "rows", "score", "difference", "validation"),
    *("lr", "P", "train rows", "seconds", "seeds", "trainable"),
)
TRIVIAL = "trivial baseline"  # the last line of a task
ALWAYS = 5  # the first columns, which are there even if they are empty


@dataclass(frozen=True)
class Shown:
    """A table of runs: its columns, a list of cells per line, and the notes below it."""

    heads: list[str]
    rows: list[list[str]]
    notes: list[str]


def shown(tasks: Sequence[Beside]) -> Shown:
    """Write the lines of each task, and after them the trivial answer's."""
    rows, notes = [], []
    for task in tasks:
        rows += [cells(line) for line in task.lines]
        first = task.first
        rows_of, trivial = _rows(first) if first["score"] is not None else "-", _trivial(first)
        rows.append([TRIVIAL, task.card, f"{task.split} {task.metric}", rows_of, trivial, *["-"] * 7, "0"])
        if first["baseline_answer"] is not None:
            notes.append(f"{task.card}: the trivial baseline is {first['baseline_answer']}")
        for line in task.lines:
            if not line["other_rows"] and _trivial(line) not in ("-", trivial):
                what = f"saw other training rows, whose trivial baseline has {_trivial(line)}"
                notes.append(f"{task.card}: {line['run']} {what}")
        if task.reference is not None:
            notes.append(
                f"{task.card}: differences are to {task.reference}, paired by row and seed, with 95 % intervals; "
                "* the interval does not hold 0"
            )
        if any(line["paired_seeds"] == [] for line in task.lines):
            notes.append(f"{task.card}: (other seed) marks a difference to a run of another seed, paired by row alone")
        for split in dict.fromkeys(line["split"] for line in task.lines if line["other_rows"]):
            odd = ", ".join(line["run"] for line in task.lines if line["other_rows"] and line["split"] == split)
            which = (
                f"other {split} rows than the first" if split == task.split else f"{split}, the first on {task.split}"
            )
            notes.append(f"{task.card}: {odd} scored on {which}: do not compare")
        if sizes := {line["validation_rows"] for line in task.lines if line["validation_rows"] is not None}:
            least, most = min(sizes), max(sizes)
            notes.append(f"{task.card}: validation scores are of {least:,}{f' to {most:,}' * (most > least)} rows")
    if any(len(line["seeds"]) > 1 for task in tasks for line in task.lines):
        notes.append("± is the standard deviation over runs that differ in their seed alone")
    runs = [row for row in rows if row[0] != TRIVIAL]
    kept = [i for i in range(len(HEADS)) if i < ALWAYS or any(row[i] != "-" for row in runs)]
    return Shown([HEADS[i] for i in kept], [[row[i] for i in kept] for row in rows], notes)


def cells(line: dict[str, Any]) -> list[str]:
    """Write a line of the table as text."""
    state = "" if line["state"] == "finished" else f" [{line['state']}]"
    end = None if line["difference"] is None else (line["low"] > 0 or line["high"] < 0)
    difference = "-" if end is None else "{difference:+.4f} [{low:+.4f}, {high:+.4f}]".format(**line) + "*" * end
    if line["paired_seeds"] is not None and line["paired_seeds"] != line["seeds"]:
        difference += f" ({_seeds(line['paired_seeds'])})"
    return [
        f"{line['run']} ({line['method']}){state}",
        line["task"],
        f"{line['split']} {line['metric']}",
        _rows(line) + " (other rows)" * line["other_rows"],
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


def _trivial(line: dict[str, Any]) -> str:
    return spread(line["baseline"], line["baseline_std"])


def _rows(line: dict[str, Any]) -> str:
    rows = "-" if line["rows"] is None else f"{line['rows']:,}"
    return rows if line["of"] == line["rows"] else f"{rows} of {line['of']:,}"


def _seeds(seeds: Sequence[int]) -> str:
    """Name the seeds of a difference."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" if seeds else "other seed"


def spread(mean: float | None, std: float | None) -> str:
    """Write mean ± std, without ± for a single value."""
    return "-" if mean is None else f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"
