"""What a run left behind, and whether two runs left the same."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

HERE = Path(__file__).parent
ROUNDING = 2e-6  # of float32 sums in another order, over a few steps


def fault(name: str) -> str:
    """Python that puts a fault of `faulty.py` into a process."""
    return f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom faulty import put\nput({name!r})\n"


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def scores(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text())["scores"]


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "prompt" / "weights.safetensors")


def same(one: Any, other: Any, within: float) -> bool:
    """Whether two nested values have the same keys and their numbers differ by no more than `within`."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(same(one[key], other[key], within) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b, within) for a, b in zip(one, other, strict=True))
    if isinstance(one, Tensor):
        return one.shape == other.shape and float((one - other).abs().max()) <= within
    return abs(one - other) <= within if isinstance(one, float) else one == other
