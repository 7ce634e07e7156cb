"""The table of what was done to runs and what came of it."""

from collections import Counter
from itertools import groupby

import pytest

Line = tuple[str, str, str]  # subject, fault, what came of it
OUTCOMES = pytest.StashKey[list[Line]]()


def table(lines: list[Line]) -> list[str]:
    """For a terminal: a line per fault, equal ones counted."""
    counts = Counter((fault, result) for _, fault, result in lines)
    width = max(len(fault) for fault, _ in counts)
    made = [f"{count:4} x {fault:{width}}  {result}" for (fault, result), count in counts.items()]
    return [*made, f"{len(lines)} faults injected"]


def markdown(lines: list[Line]) -> str:
    """For docs/faults.md: a table per subject, the total, versions and hardware. Equal runs write equal files."""
    from ptv2.runtime.environment import environment
    from ptv2.study.table import describe

    text = ["# Faults that were injected, and what came of each", ""]
    text += [f"{len(lines)} faults injected, all with the outcome that is promised.", ""]
    for subject, group in groupby(sorted(lines), key=lambda line: line[0]):
        text += [f"## {subject}", "", "| times | fault | outcome |", "|---:|---|---|"]
        counts = Counter((fault, result) for _, fault, result in group)
        text += [f"| {count} | {fault} | {result} |" for (fault, result), count in counts.items()]
        text += [""]
    return "\n".join([*text, "Written by `make test-faults`.", "", *describe([{"environment": environment()}]), ""])
