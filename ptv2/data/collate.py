"""Drawn features as a batch."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ptv2.backbone import KNOWN
from ptv2.data.slices import DUMMY
from ptv2.data.taskdata import TaskData
from ptv2.kinds.features import Feature


def collate(drawn: list[tuple[str, Feature]], tasks: dict[str, TaskData], pad_to_max: bool = False) -> dict[str, Any]:
    """Collate drawn features into a batch, those of one task side by side; see `ptv2.data.loaders`."""
    names = list(dict.fromkeys(name for name, _ in drawn))
    length = max(tasks[name].card.max_length for name in names) if pad_to_max else None
    if len(names) > 1 and length is None:
        length = max(len(ids) for _, feature in drawn for ids in _texts(feature["input_ids"]))
    parts = [_part(name, [feature for task, feature in drawn if task == name], tasks, length) for name in names]
    return parts[0] if len(parts) == 1 else {"parts": parts}


def _part(name: str, features: list[Feature], tasks: dict[str, TaskData], length: int | None) -> dict[str, Any]:
    """Collate the features of one task, with the states of theirs that are known.

    `counted` is the number of those that are no dummies. It is counted here, as to ask a GPU would wait for it.
    """
    counted = sum(feature["row"] != DUMMY for feature in features)
    part: dict[str, Any] = tasks[name].features.collate(features, length) | {"task": name, "counted": counted}
    if KNOWN in features[0]:
        part[KNOWN] = padded([feature[KNOWN] for feature in features], part["attention_mask"])
    return part


def padded(states: list[Tensor], mask_BT: Tensor) -> Tensor:
    """Put the states [N, D] of features where the mask has their tokens, zeros elsewhere: [B, T, D]."""
    states_BTD = states[0].new_zeros(*mask_BT.shape, states[0].shape[-1])
    states_BTD[mask_BT.bool()] = torch.cat(states)
    return states_BTD


def _texts(ids: list) -> list[list[int]]:
    """Return the token ids of each text of a feature: one text, or one per choice."""
    return ids if ids and isinstance(ids[0], list) else [ids]


def moved(batch: Any, device: torch.device | str) -> Any:
    """Return a batch, or parts of one in dicts and lists, with its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    return [moved(value, device) for value in batch] if isinstance(batch, list) else batch
