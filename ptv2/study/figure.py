"""The figure of a study: every run a dot, every mean a bar, a panel per task."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from ptv2.errors import UserError

Panel = Mapping[str, Sequence[float]]
"""Name of a method or system -> the score of each of its runs."""


def draw(
    panels: Mapping[str, Panel],
    names: Sequence[str],
    path: Path,
    label: str,
    columns: int | None = None,
    salt: str = "",
) -> None:
    """Write the figure as SVG; equal results write an equal file.

    Args:
        panels: title -> scores by name.
        names: what stands on the x axis, in this order.
        path: of the file.
        label: of the y axis.
        columns: panels beside each other; None: as many as three.
        salt: of the ids in the file.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        what = "matplotlib is not installed, so there is no figure"
        raise UserError(what, do="pip install 'ptv2[experiments]'") from error
    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    columns = columns or min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    with plt.rc_context({"svg.hashsalt": salt or path.stem}):
        figure, axes = plt.subplots(rows, columns, figsize=(3.2 * columns, 3.0 * rows), squeeze=False)
        for place, (title, found) in enumerate(panels.items()):
            axis = axes[place // columns][place % columns]
            for x, name in enumerate(names):
                values = found.get(name, [])
                axis.scatter([x] * len(values), values, color="black", s=12, zorder=2)
                if values:
                    axis.bar(x, mean(values), color="#9ecae1", zorder=1)
            axis.set_xticks(range(len(names)), names, rotation=40, ha="right")
            axis.set_title(title, fontsize=10)
            axis.set_ylim(bottom=min(0, *axis.get_ylim()))
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for row in axes:
            row[0].set_ylabel(label)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
