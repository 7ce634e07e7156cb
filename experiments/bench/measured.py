"""The windows of a group of systems, and what they say: medians with the lowest and the highest."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Window = Mapping[str, Any]
Spread = tuple[float, float, float]
"""Median, lowest and highest."""


class Measured:
    """The windows of a group; those of one number were open one after the other, on the same rows.

    Args:
        windows: of each system.
        clock: `seconds`, or `cpu` for the time of the process in all its threads.
    """

    def __init__(self, windows: Mapping[str, Sequence[Window]], clock: str = "seconds"):
        self.windows, self.clock = {name: found for name, found in windows.items() if found}, clock

    @property
    def rounds(self) -> int:
        return max(map(len, self.windows.values()), default=0)

    def rows(self, name: str) -> Spread:
        """Return the rows per second."""
        return spread(window["rows"] / window[self.clock] for window in self.windows[name])

    def tokens(self, name: str) -> Spread:
        """Return the real tokens per second.

        A loader may be a batch ahead of the window that is open, so the tokens of a row are those of all windows.
        """
        per_row = self._total(name, "tokens") / self._total(name, "rows")
        middle, low, high = self.rows(name)
        return middle * per_row, low * per_row, high * per_row

    def ratio(self, name: str, to: str) -> Spread | None:
        """Return how many times as long as another system it takes for a row, in pairs of windows."""
        if name not in self.windows or to not in self.windows:
            return None
        pairs = zip(self.windows[name], self.windows[to], strict=False)
        return spread(a[self.clock] / a["rows"] / (b[self.clock] / b["rows"]) for a, b in pairs)

    def memory(self, name: str) -> float:
        """Return the peak in GB, of the GPU where there is one."""
        last = self.windows[name][-1]
        return (last["cuda"] or last["memory"] or 0) / 1e9

    def padding(self, name: str) -> float:
        """Return the share of a batch's tokens that is padding."""
        return 1 - self._total(name, "tokens") / self._total(name, "padded")

    def data(self, name: str) -> float:
        """Return the share of the time in which batches are made."""
        return self._total(name, "data") / self._total(name, "seconds")

    def parts(self, name: str) -> dict[str, float]:
        """Return the share of each part of a step, the largest first, of a system that is profiled."""
        windows = [window["parts"] for window in self.windows[name]]
        shares = [{part: seconds / sum(found.values()) for part, seconds in found.items()} for found in windows]
        names = dict.fromkeys(part for found in shares for part in found)
        medians = {part: statistics.median(found.get(part, 0.0) for found in shares) for part in names}
        return dict(sorted(medians.items(), key=lambda pair: -pair[1]))

    def _total(self, name: str, what: str) -> float:
        return sum(window[what] for window in self.windows[name])


def spread(values: Iterable[float]) -> Spread:
    found = list(values)
    return statistics.median(found), min(found), max(found)
