"""What the heads decode for the rows of a split, kept until the split is complete."""

from itertools import chain
from typing import Any

from ptv2.data.slices import DUMMY
from ptv2.runtime.ranks import gather


class Outputs(dict[str, dict[int, list[Any]]]):
    """Task -> number of the data row -> what its head decoded for each of the row's features."""

    def keep(self, task: str, rows: list[int], decoded: list[Any]) -> None:
        """File what was decoded for the features of a batch under their rows; dummy rows are dropped."""
        own = self.setdefault(task, {})
        for row, output in zip(rows, decoded, strict=True):
            if row != DUMMY:
                own.setdefault(row, []).append(output)

    def gather(self, rank: int) -> None:
        """Give every rank what all of them have kept, so that all score alike and choose the same checkpoint."""
        kept = gather(dict(self))
        for others in kept[:rank] + kept[rank + 1 :]:
            for task, rows in others.items():
                own = self.setdefault(task, {})
                for row, outputs in rows.items():
                    own.setdefault(row, []).extend(outputs)

    def set_tuned(self, task: str, value: float) -> None:
        """Replace the tuned value in outputs that were decoded with the one before."""
        for output in chain.from_iterable(self[task].values()):
            output["tuned"] = value
