"""The rule behind `prompt.length: auto`: how many positions, by kind of task, training rows and size of the backbone.

A rule of thumb to start from, not a result: `ptv2.search` finds out what a task wants. Every line of it says what it
rests on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ptv2.kinds import KINDS

PAPER = "Liu et al. 2022 (P-Tuning v2), section 3.3, prompt length"


@dataclass(frozen=True)
class Reason:
    """Why a setting is advised, and what that rests on: a section of a paper or a row of a table of experiments/."""

    why: str
    source: str
    row: str = ""  # of the table in `source`, as it stands there


SHORT = 16, Reason("short prompts, under 20 positions, do for classification", PAPER)
LENGTHS: dict[str, tuple[int, Reason]] = {
    "words": (100, Reason("tagging wants about 100 positions", PAPER)),
    "passage": (
        100,
        Reason(
            "reading wants about 100 positions; the official code used 8 and 16 for SQuAD, so search below, too", PAPER
        ),
    ),
    "text": (
        150,
        Reason(
            "generation wants long prompts: 200 positions for summaries, though 5 to 10 do for tables to text",
            "Li and Liang 2021 (Prefix-Tuning), section 7.2",
        ),
    ),
}
"""What the answers are (`Features.answers`) -> positions; for all others SHORT."""

FEW_ROWS = 256
AT_FEW_ROWS = (
    16,
    Reason(
        f"with {FEW_ROWS} training rows or fewer nothing longer was tried here",
        "experiments/transfer/table.md",
        "conll2004 | 256 | scratch | 0.534 ± 0.011",
    ),
)
LARGE = 10**9
AT_LARGE = Reason(
    "halved: from a billion parameters on, shorter prompts do as well",
    "Lester et al. 2021 (Prompt Tuning), section 3.2, figure 3",
)


def prompt_length(kind: str, rows: int, parameters: int) -> tuple[int, list[Reason]]:
    """Return the number of positions for a task, and why.

    Args:
        kind: of the task.
        rows: for training.
        parameters: of the backbone.
    """
    answers = KINDS[kind].features.answers if kind in KINDS else None
    length, reason = SHORT if answers is None else LENGTHS.get(answers, SHORT)
    reasons = [reason]
    if parameters >= LARGE:
        length, reasons = length // 2, [*reasons, AT_LARGE]
    most, few = AT_FEW_ROWS
    if rows <= FEW_ROWS and length > most:
        length, reasons = most, [*reasons, few]
    return length, reasons


def longest(tasks: Iterable[tuple[str, int]], parameters: int) -> tuple[int, Sequence[Reason]]:
    """Return the length of a prompt that tasks share, (kind, training rows) each: that of the task that wants most."""
    return max((prompt_length(kind, rows, parameters) for kind, rows in tasks), key=lambda found: found[0])
