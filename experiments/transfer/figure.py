"""The transfer study's figure: every run a dot, every mean a bar, a column per target."""

from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

plt.rcParams["svg.hashsalt"] = "transfer"  # equal results, equal file


def draw(results: list[dict[str, Any]], systems: tuple[str, ...], path: Path) -> None:
    """Write the figure of the finished cells as SVG."""
    scores: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in results:
        cell = line["cell"]
        scores[cell["target"], cell["rows"]][cell["system"]].append(line["scores"]["test"])
    targets, rows = sorted({target for target, _ in scores}), sorted({rows for _, rows in scores})
    size = (3.2 * len(targets), 3.0 * len(rows))
    figure, axes = plt.subplots(len(rows), len(targets), figsize=size, squeeze=False)
    for (target, count), found in scores.items():
        axis = axes[rows.index(count)][targets.index(target)]
        for place, system in enumerate(systems):
            values = found.get(system, [])
            axis.scatter([place] * len(values), values, color="black", s=12, zorder=2)
            if values:
                axis.bar(place, mean(values), color="#9ecae1", zorder=1)
        axis.set_xticks(range(len(systems)), systems, rotation=40, ha="right")
        axis.set_title(f"{target}, {count} rows", fontsize=10)
        axis.set_ylim(bottom=0)
    for row in axes:
        row[0].set_ylabel("test score")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
