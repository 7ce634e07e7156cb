"""The custom layout of the curves: a group per task, then the prompt's layers and the machine."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

Layout = dict[str, dict[str, list[Any]]]


def layout(metrics: Mapping[str, Sequence[str]], layers: bool, cosines: bool) -> Layout:
    """Return what `add_custom_scalars` takes: group -> chart -> the names of its curves, as patterns.

    Args:
        metrics: task -> its metrics.
        layers: whether there are curves by layer.
        cosines: whether there are cosines between the gradients of tasks.
    """
    several = len(metrics) > 1
    groups: Layout = {"run": {"score": _of(["validation/score"]), "loss": _of(["train/loss"])}}
    groups["run"] |= {"learning rate": _of(["train/lr"]), "gradient norm": _of(["train/grad_norm"])}
    for task, names in metrics.items():
        losses = ["train/loss"] if not several else [f"train/{task}/loss"]
        charts = {"loss": _of([*losses, f"validation/{task}/loss"])}
        charts["scores"] = _of([f"validation/{task}/{name}" for name in names])
        charts["calibration error"] = _of([f"calibration/{task}/ece"])
        if several:
            charts["share of the rows"] = _of([f"train/{task}/share"])
            charts["gradient norm on the prompt"] = _of([f"train/{task}/grad_norm"])
        groups[f"task {task}"] = charts
    if cosines:
        pairs = [f"gradients/{a}.{b}" for a, b in combinations(metrics, 2)]
        groups["tasks together"] = {"cosine between gradients": _of([*pairs, "gradients/mean"])}
    if layers:
        shown = {"norm": "norm", "moved": "distance from the start", "grad_norm": "gradient norm", "gate": "gate"}
        charts = {title: ["Multiline", [f"^layers/{name}/"]] for name, title in shown.items()}
        groups["prompt by layer"] = charts | {"attention on the prompt": ["Multiline", ["^attention/"]]}
    groups["machine"] = {
        "rows per second": _of(["speed/rows_per_second"]),
        "tokens per second": _of(["speed/tokens_per_second"]),
        "share of padding, of waiting for data": _of(["speed/padding", "speed/data_wait"]),
        "memory in bytes": _of(["memory/rss", "memory/cuda"]),
    }
    return groups


def _of(names: Iterable[str]) -> list[Any]:
    return ["Multiline", [f"^{re.escape(name)}$" for name in names]]
