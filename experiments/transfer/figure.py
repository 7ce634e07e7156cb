"""The transfer study's figure: every run a dot, every mean a bar, a panel per target and number of rows."""

from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt


def draw(results: list[dict[str, Any]], systems: tuple[str, ...], path: Path) -> None:
    """Write the figure of the finished cells as SVG."""
    scores: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in results:
        cell = line["cell"]
        scores[cell["target"], cell["rows"]][cell["system"]].append(line["scores"]["test"])
    figure, axes = plt.subplots(1, len(scores), figsize=(3.2 * len(scores), 3.4), squeeze=False)
    for axis, ((target, rows), found) in zip(axes[0], scores.items(), strict=True):
        for place, system in enumerate(systems):
            values = found.get(system, [])
            axis.scatter([place] * len(values), values, color="black", s=12, zorder=2)
            if values:
                axis.bar(place, mean(values), color="#9ecae1", zorder=1)
        axis.set_xticks(range(len(systems)), systems, rotation=40, ha="right")
        axis.set_title(f"{target}, {rows} rows", fontsize=10)
        axis.set_ylim(bottom=0)
    axes[0][0].set_ylabel("test score")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
