"""Data sets that the judges read: the demo's wheels, and what lies in the folder PTV2_DATA."""

import json
import os
from pathlib import Path
from typing import Any

from experiments.judges.judge import Absent

Row = dict[str, Any]


def read(name: str, split: str, most: int | None = None) -> list[Row]:
    """Read the first rows of a set in PTV2_DATA.

    Raises:
        Absent: the set is not there.
    """
    file = Path(os.environ.get("PTV2_DATA", "")) / name / f"{split}.jsonl"
    if "PTV2_DATA" not in os.environ or not file.is_file():
        raise Absent(f"{name} is not in the folder PTV2_DATA")
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most or 10**9), strict=False)]
