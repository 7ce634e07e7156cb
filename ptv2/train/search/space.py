"""What a search may choose for a key: a list of values, or a range.

prompt.length=4,8,16,32       one of these; as a list in YAML, brackets and quotes as in YAML
optim.lr=1e-3..1e-2:log       any number from 1e-3 to 1e-2, drawn on a logarithmic scale
prompt.dropout=0..0.3         on a linear scale; whole numbers where both ends are written so
optim.lr=1e-3..1e-2:log:4     four values, spread evenly on that scale, both ends among them
"""

import math
import re
from dataclasses import dataclass
from typing import Any

from ptv2.config import text
from ptv2.config.keys import options, type_at
from ptv2.config.overrides import as_overrides
from ptv2.config.schema import Config
from ptv2.errors import UserError

WRITE = "write e.g. 4,8,16 or 1e-3..1e-2:log, with :4 behind it for four values of the range"
MOST = 1000  # values of a range
FIXED = {
    "task": "scores of different tasks do not compare",
    "tasks": "scores of different tasks do not compare",
    "run": "the search names the runs",
    "resume": "the search resumes its runs",
    "data.limit": "the scores would be of different rows",
    "data.seed": "the scores would be of different rows",
    "dataset": "the scores would be of different rows",
    "metrics": "the scores would be of different metrics",
}
"""What no search may choose -> why. The last two are keys of a card."""


@dataclass(frozen=True)
class Choices:
    """Values, as the command line writes them."""

    values: tuple[str, ...]

    def at_end(self, value: Any) -> bool:
        """Tell whether a value is the lowest or the highest of three or more numbers."""
        try:
            numbers = sorted(map(float, self.values))
        except ValueError:
            return False
        return len(numbers) > 2 and float(value) in (numbers[0], numbers[-1])

    def __str__(self) -> str:
        return ",".join(self.values)


@dataclass(frozen=True)
class Interval:
    """Every number between two ends."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Tell whether the numbers are whole ones."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def rounded(self, value: float) -> float:
        """Keep three digits of a number that was drawn: more say nothing, and tables are read by people."""
        if self.whole:
            return int(value)
        digits = f"{value:.3g}" if self.log else f"{value:.{max(0, 3 - math.floor(math.log10(self.high - self.low)))}f}"
        return min(max(float(digits), self.low), self.high)

    def at_end(self, value: float) -> bool:
        """Tell whether a value is within a twentieth of either end, on the scale."""
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return not 0.05 < (value - low) / (high - low) < 0.95

    def spread(self, count: int) -> Choices:
        """Return so many values, spread evenly on the scale, without repeats."""
        shares = [i / (count - 1) for i in range(count)]
        if self.log:
            numbers = [self.low * (self.high / self.low) ** share for share in shares]
        else:
            numbers = [self.low + (self.high - self.low) * share for share in shares]
        made = [round(number) if self.whole else self.rounded(number) for number in numbers]
        return Choices(tuple(dict.fromkeys(map(_text, made))))

    def __str__(self) -> str:
        return f"{_text(self.low)}..{_text(self.high)}{':log' if self.log else ''}"


Values = Choices | Interval


def parse_values(key: str, written: Any, where: str) -> Values:
    """Parse what a search may choose for `key`: text as above, or a list or value of YAML.

    Raises:
        UserError: a key that no search may choose, an unreadable list, or an impossible range.
    """
    _check_key(key, where)
    where = f"{where}: {key}"
    if isinstance(written, dict) or written is None or written == []:
        raise UserError(f"is '{written}', which is no list and no range", where=where, do=WRITE)
    kind = _kind(key)
    if isinstance(written, str) and (parts := _range_parts(written, kind)) is not None:
        return _interval(*parts, whole=float not in options(kind), written=written, where=where)
    if isinstance(written, str):
        try:
            written = text.load(f"[{written}]", list[kind], flags=True)
        except ValueError as error:
            raise UserError(f"'{written}' is no list of values ({error})", where=where, do=WRITE) from error
    values = written if isinstance(written, list) else [written]
    texts = [_text(value) for value in values]
    if not texts or "" in texts:
        raise UserError("a value is missing", where=where, do=WRITE)
    return Choices(tuple(dict.fromkeys(texts)))


def _check_key(key: str, where: str) -> None:
    names = key.split(".")
    below = names[1:] if names[0] == "task" else names[2:] if names[0] == "tasks" else []  # keys of a card
    for part in below[:1] or [names[0], ".".join(names[:2])]:
        if part in FIXED:
            raise UserError(f"'{key}' cannot be searched: {FIXED[part]}", where=where, do="leave it out of the space")


def _kind(key: str) -> Any:
    """Return the type of a key; Any where the schema does not say."""
    names = key.split(".")
    return type_at(Config, ["tasks", "", *names[1:]] if names[0] == "task" else names)


def _range_parts(written: str, kind: Any) -> tuple[str, str, str] | None:
    """Split LOW..HIGH and what follows; None for what is no range, such as a path with dots at a key of text."""
    if str in options(kind):
        return None
    found = re.fullmatch(r"\s*([^\s:,/\[]*?)\.\.([^\s:,/\]]*)\s*((?::\w*)*)\s*", written)
    return found.groups() if found else None  # pyright: ignore[reportReturnType] - three groups


def _interval(low: str, high: str, rest: str, whole: bool, written: str, where: str) -> Values:
    words = rest.split(":")[1:]
    log = words[:1] == ["log"]
    counts = words[1:] if log else words
    first, last = _number(low, whole), _number(high, whole)
    known = len(counts) <= 1 and all(count.isascii() and count.isdigit() for count in counts)
    if first is None or last is None or not known:
        raise UserError(f"'{written}' is no range", where=where, do=WRITE)
    if type(first) is not type(last):
        first, last = float(first), float(last)
    made = Interval(first, last, log)
    if made.low >= made.high or (log and made.low <= 0):
        do = "write the lower end first" + (", above 0 with :log" if log else "")
        raise UserError(f"'{written}' is no range", where=where, do=do)
    if not counts:
        return made
    if not 2 <= int(counts[0]) <= MOST:
        raise UserError(f"'{written}' asks for {counts[0]} values", where=where, do=f"ask for 2 to {MOST}")
    return made.spread(int(counts[0]))


def _number(written: str, whole: bool) -> float | None:
    """Read an end of a range: whole numbers stay whole where the key takes them."""
    if whole and re.fullmatch(r"[-+]?\d+", written):
        return int(written)
    try:
        number = float(written)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    """Write a value as the command line does."""
    return as_overrides({"": value})[0].removeprefix("=")
