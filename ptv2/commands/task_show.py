"""One example of a task, in and out: the row, its tokens with their labels, and the answer decoded back from these."""

import json
import textwrap
from dataclasses import asdict
from functools import partial
from typing import Any

import yaml

from ptv2.config.cards import TaskCard
from ptv2.kinds.features import Features
from ptv2.rows.rows import Rows

WIDTH = 110
LONGEST = 400  # characters of a field that are shown


def card_lines(card: TaskCard) -> list[str]:
    """Write the card with all its keys."""
    text = yaml.safe_dump(asdict(card), sort_keys=False, allow_unicode=True, default_flow_style=None, width=WIDTH)
    return text.rstrip().split("\n")


def example_lines(features: Features, rows: Rows, index: int) -> list[str]:
    """Describe a row as it is read, what the backbone and the loss get of it, and both ways to its answer.

    Raises:
        UserError: the row cannot be used.
    """
    row, where = rows.data[index], partial(rows.where, index)
    found = features.encode(row, where, True, rows.split == "train")
    lines = ["", f"row {index} of {rows.split}, {where()}:"]
    lines += [_wrapped(f"{name}: {_short(value)}") for name, value in row.items()]
    outputs = []
    for number, feature in enumerate(found, start=1):
        about, output = features.explain(row, feature)
        lines += ["", f"feature {number} of {len(found)}:" if len(found) > 1 else "feature:", *map(_wrapped, about)]
        outputs.append(output)
    lines += ["", f"answer of the row: {_short(features.reference(row))}"]
    if all(outputs):
        lines.append(f"decoded back:      {_short(features.prediction(row, outputs))}")
    return lines


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    rest = len(text) - LONGEST
    return f"{text[:LONGEST]} ... ({rest} characters more)" if rest > 40 else text


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)
