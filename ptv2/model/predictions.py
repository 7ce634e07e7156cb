"""Predictions as the lines that people read: what `ptv2.predict` prints and a run folder holds."""

import json
from pathlib import Path

from ptv2.model.module import PromptModule
from ptv2.runtime.files import write_text

NAMES = ("id", "idx")  # fields of an input row that are handed through


def prediction_lines(module: PromptModule, task: str, split: str, mark: dict[str, str] | None = None) -> list[str]:
    """One JSON line per row of the split that was last evaluated, `mark` first in each."""
    data = module.tasks[task]
    lines = []
    for index, prediction in enumerate(module.predictions(task, split)):
        row, outputs = data.rows[split].data[index], module.outputs[task][index]
        line = (mark or {}) | {key: row[key] for key in NAMES if row.get(key) is not None}
        line |= {data.card.label: prediction} | data.features.shown(row, outputs)
        lines.append(json.dumps(line, ensure_ascii=False))
    return lines


def write_predictions(path: Path, module: PromptModule, task: str, split: str) -> None:
    """The split's predictions as a file, in the form this command prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(prediction_lines(module, task, split)) + "\n")
