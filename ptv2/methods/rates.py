"""What `optim.lr: auto` stands for: each method says its own rate, with what speaks for it."""

from dataclasses import dataclass

STUDY = "experiments/methods/table.md"


@dataclass(frozen=True)
class Rate:
    """The learning rate of a method where the config says nothing.

    Args:
        value: the rate.
        source: where it comes from, as in "what our own tasks chose"; it is said when a run begins.
        of: what it is the rate of, where that is not the method as a whole: a form of its prompt.
        best: the rates from and to which runs did best; a run that learns nothing outside of them is told to try it.
        row: of the study's table, that speaks for `best`.
    """

    value: float
    source: str
    of: str = ""
    best: tuple[float, float] | None = None
    row: str = ""


def studied(value: float, low: float, high: float, row: str, of: str = "") -> Rate:
    """Make the rate that our comparison of methods chose: the median over its tasks."""
    return Rate(value, f"the median of what five tasks chose in {STUDY}", of, (low, high), row)
