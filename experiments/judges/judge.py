"""What a judge is: cases that another program and ptv2 both compute, and how far apart they may be."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any


class Absent(Exception):
    """What a judge needs is not here: its package, or data."""


@dataclass(frozen=True)
class Case:
    """One comparison.

    Args:
        name: what is compared.
        of: how much it is about, e.g. `3,453 sentences`.
        theirs: number or words of the other program.
        ours: the same of ptv2.
    """

    name: str
    of: str
    theirs: float | str
    ours: float | str

    @property
    def difference(self) -> float | None:
        """How far apart two numbers are; None of words."""
        if isinstance(self.theirs, str) or isinstance(self.ours, str):
            return None
        return math.inf if math.isnan(self.theirs) or math.isnan(self.ours) else abs(self.theirs - self.ours)


@dataclass(frozen=True)
class Judge:
    """Another program beside ours.

    Args:
        them: name of the program.
        title: of its table.
        about: what is compared, in a sentence or two.
        packages: distributions whose versions count.
        tolerance: the largest difference that is agreement; None: words are compared, and none is wrong.
        cases: computes them.

    `cases` raises `Absent` where it cannot.
    """

    them: str
    title: str
    about: str
    packages: tuple[str, ...]
    tolerance: float | None
    cases: Callable[[], Iterable[Case]]

    def run(self) -> dict[str, Any]:
        """Return the results as plain values.

        Raises:
            Absent: a package or data are not here.
        """
        versions = {name: version_of(name) for name in self.packages}
        cases = [{"case": c.name, "of": c.of, "theirs": c.theirs, "ours": c.ours} for c in self.cases()]
        about = {"them": self.them, "title": self.title, "about": self.about, "tolerance": self.tolerance}
        return about | {"versions": versions, "cases": cases}


def version_of(name: str) -> str:
    """Return the version of a distribution.

    Raises:
        Absent: it is not installed.
    """
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise Absent(f"{name} is not installed (pip install 'ptv2[judges]')") from error
