"""The figure of a run: how long a step of each system takes, beside the floor."""

from collections.abc import Mapping
from pathlib import Path

from experiments.bench.measured import Measured
from experiments.bench.plan import SYSTEMS


def draw(measured: Mapping[str, Measured], path: Path) -> None:
    """Write the figure as SVG, a panel for each group: rows/s, with the lowest and the highest."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    columns = min(3, len(measured))
    lines = -(-len(measured) // columns)
    with plt.rc_context({"svg.hashsalt": "bench", "font.size": 8}):
        figure, axes = plt.subplots(lines, columns, figsize=(4.4 * columns, 3.2 * lines), squeeze=False)
        for axis, (title, found) in zip(axes.flat, measured.items(), strict=False):
            names = [name for name in SYSTEMS if name in found.windows and not name.startswith("parts")]
            speeds = [found.rows(name) for name in names]
            middles = [middle for middle, _, _ in speeds]
            errors = [[m - low for m, low, _ in speeds], [high - m for m, _, high in speeds]]
            own = ["#4292c6" if name.startswith(("ours", "full ours", "generate")) else "#bdbdbd" for name in names]
            axis.barh(names, middles, xerr=errors, color=own, ecolor="black")
            axis.invert_yaxis()
            axis.set_title(title)
            axis.set_xlabel("rows/s")
        for axis in axes.flat[len(measured) :]:
            axis.set_visible(False)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
