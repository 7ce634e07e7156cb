"""The columns of a comparison's table: what each shows of the finished cells of a task and a method."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptv2.study.cell import Line


@dataclass
class Row:
    """A row of the table: the finished cells of a method on a task, and how far it is from the reference."""

    task: str
    method: str
    lines: list[Line]
    difference: dict[str, Any] | None = None  # reference, value, low, high, seeds; without low and high: std
    missing: list[int] = field(default_factory=list)  # seeds whose cells are not finished

    @property
    def seeds(self) -> list[int]:
        return [line["cell"]["seed"] for line in self.lines]

    def values(self, name: str) -> list[float]:
        """Return the numbers of this name, of the cells that have one."""
        return [value for line in self.lines if isinstance(value := line["scores"].get(name), int | float)]

    def texts(self, name: str) -> list[str]:
        return list(dict.fromkeys(str(line["scores"][name]) for line in self.lines if name in line["scores"]))


def spread(values: Sequence[float], places: int = 3, sign: str = "") -> str:
    """Write mean ± std of the values, without ± for a single one."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):{sign}.{places}f}"
    known = len(values) > 1 and all(map(math.isfinite, values))
    return f"{mean} ± {statistics.stdev(values):.{places}f}" if known else mean


def mean(name: str, words: Callable[[float], str]) -> Callable[[Row], str]:
    """Show the mean of a number."""
    return lambda row: words(statistics.mean(values)) if (values := row.values(name)) else "-"


def several(name: str, places: int = 3, sign: str = "") -> Callable[[Row], str]:
    """Show mean ± std of a number."""
    return lambda row: spread(row.values(name), places, sign)


def _metric(row: Row) -> str:
    names = [
        f"{line['scores']['split']} {line['scores']['metric']}" for line in row.lines if "metric" in line["scores"]
    ]
    return ", ".join(dict.fromkeys(name.removeprefix("test ") for name in names)) or "-"


def _difference(row: Row) -> str:
    found = row.difference
    if found is None:
        return "-"
    if found["low"] is None:
        return f"{found['value']:+.3f}" + ("" if found["std"] is None else f" ± {found['std']:.3f}")
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _bytes(value: float) -> str:
    """Write a number of bytes in the decimal unit that fits."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}" if value < 1e3 * size else f"{value / size:,.0f} {unit}"
    return f"{value:.0f} B"


def _perplexity(row: Row) -> str:
    sides = [line["scores"].get("outside") or {} for line in row.lines]
    pairs = [(side["perplexity off"], side["perplexity on"]) for side in sides if "perplexity on" in side]
    return " to ".join(f"{statistics.mean(values):.1f}" for values in zip(*pairs, strict=True)) if pairs else "-"


COLUMNS: dict[str, Callable[[Row], str]] = {
    "metric": _metric,
    "score": several("score"),
    "difference": _difference,
    "trivial baseline": several("trivial baseline"),
    "gain": several("gain"),
    "trainable": mean("trainable", lambda value: f"{value:,.0f}"),
    "share": mean("share", lambda value: f"{100 * value:.3g} %"),
    "artifact": mean("artifact", _bytes),
    "minutes": several("minutes"),
    "tokens/s": mean("tokens/s", lambda value: f"{value:,.0f}"),
    "memory": mean("memory", _bytes),
    "GPU memory": mean("GPU memory", _bytes),
    "overhead": several("overhead", 2),
    "forgetting": several("forgetting", 3, "+"),
    "perplexity outside": _perplexity,
    "rate": lambda row: ", ".join(f"{rate:g}" for rate in dict.fromkeys(row.values("rate"))) or "-",
}
"""Name -> what it shows of a row."""

DEFAULT = [name for name in COLUMNS if name != "gain"]
OPTIONAL = ("difference", "GPU memory", "perplexity outside")
"""Left out of the default columns where no row has any."""
EXPLAINED = {
    "difference": "the score minus that of {reference}, paired by seed and test row; in brackets a "
    "95 % bootstrap interval over both; with ±, where the rows' predictions are elsewhere, by seed alone",
    "share": "trainable numbers over those of the backbone",
    "minutes": "of training",
    "memory": "the peak of the process",
    "overhead": "time of a forward pass over that of the bare backbone",
    "forgetting": "loss per token, in nats, on texts outside of the task, minus that of the bare backbone "
    "(-: it has no language model)",
    "perplexity outside": "on those texts, of the bare backbone and with the method",
    "rate": "the learning rate, chosen on validation rows where several were tried",
}
"""What the notes below the table say of a column."""
