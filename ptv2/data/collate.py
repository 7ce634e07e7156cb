"""Drawn features as a batch."""

from typing import Any

from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import Feature


def collate(drawn: list[tuple[str, Feature]], tasks: dict[str, TaskData], pad_to_max: bool = False) -> dict[str, Any]:
    """Collate drawn features into a batch, those of one task side by side; see `TaskDataModule`."""
    names = list(dict.fromkeys(name for name, _ in drawn))
    length = max(tasks[name].card.max_length for name in names) if pad_to_max else None
    if len(names) > 1 and length is None:
        length = max(len(ids) for _, feature in drawn for ids in _texts(feature["input_ids"]))
    parts = [
        tasks[name].features.collate([feature for task, feature in drawn if task == name], length) | {"task": name}
        for name in names
    ]
    return parts[0] if len(parts) == 1 else {"parts": parts}


def _texts(ids: list) -> list[list[int]]:
    """Return the token ids of each text of a feature: one text, or one per choice."""
    return ids if ids and isinstance(ids[0], list) else [ids]
