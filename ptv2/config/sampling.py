"""How often each task is drawn: the values of `mixture.sampling`."""

import math
from dataclasses import dataclass
from typing import Literal, cast

from ptv2.errors import UserError, nearest

FORMS = ("proportional", "capped:K", "temperature:T", "temperature:T:K", "sqrt", "equal", "annealed", "weights")

Kind = Literal["proportional", "capped", "temperature", "sqrt", "equal", "annealed", "weights"]


@dataclass(frozen=True)
class Sampling:
    """A parsed rule of sampling."""

    kind: Kind
    temperature: float = 1.0  # T
    cap: float = math.inf  # K: a task with more rows counts as one with K


def parse_sampling(rule: str) -> Sampling:
    """Parse `mixture.sampling`.

    Raises:
        UserError: an unknown form, numbers that are not above 0, or a temperature below 1.
    """
    kind, *words = rule.split(":")
    wanted = {"capped": (1,), "temperature": (1, 2)}.get(kind, (0,))
    numbers = [_number(word) for word in words]
    known = {form.partition(":")[0] for form in FORMS}
    if kind not in known or len(numbers) not in wanted or not all(0 < n < math.inf for n in numbers):
        raise UserError(f"'{rule}'", where="mixture.sampling", do=nearest(rule, FORMS))
    if kind == "capped":
        return Sampling("capped", cap=numbers[0])
    if kind == "temperature" and numbers[0] < 1:
        raise UserError(f"'{rule}'", where="mixture.sampling", do="use a temperature of 1 or more")
    return Sampling(cast(Kind, kind), *numbers)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
