"""Weights of the labels' losses in training; an artifact has none of them. Shapes: C labels."""

from collections import Counter
from typing import cast

import torch
from torch import Tensor, nn

from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.kinds import KINDS
from ptv2.kinds.head import Head


def check_label_loss(config: Config) -> None:
    """Refuse label smoothing and class weights for kinds whose loss has no place for them.

    Raises:
        UserError: see above.
    """
    asked = {"head.label_smoothing": bool(config.head.label_smoothing), "optim.class_weights": config.optim.weights}
    takes = {"head.label_smoothing": "smooths", "optim.class_weights": "weighs"}
    for key, value in asked.items():
        kinds = [name for name, kind in KINDS.items() if getattr(kind.head, takes[key])]
        for name, card in config.tasks.items():
            if value and card.kind not in kinds:
                what = f"task '{name}' is of kind '{card.kind}', whose loss does not take it"
                raise UserError(what, where=key, do=f"leave it out, or train kinds {', '.join(kinds)} alone")


def weigh_labels(config: Config, heads: nn.ModuleDict, tasks: dict[str, TaskData]) -> None:
    """Give each head the weights of its labels, as `optim.class_weights` says.

    Raises:
        UserError: a weight for a label that no task has.
    """
    asked = config.optim.weights
    if asked is None:
        return
    if asked != "balanced":
        _check_names(asked, tasks)
    for name, data in tasks.items():
        given_C = None if asked == "balanced" else _given(asked, data)
        references = data.references("train")
        counts = Counter(label for answer in references for label in (answer if isinstance(answer, list) else [answer]))
        counts_C = torch.tensor([float(counts[label]) for label in data.label_names()])
        head = cast(Head, heads[name])
        head.class_weights = head.weights(counts_C, len(references), given_C)


def _check_names(asked: dict[str, float], tasks: dict[str, TaskData]) -> None:
    for label in asked:
        if not any(data.labels is not None and label in data.labels for data in tasks.values()):
            names = [name for data in tasks.values() for name in data.label_names()]
            raise UserError(f"unknown label '{label}'", where="optim.class_weights", do=nearest(label, names))


def _given(asked: dict[str, float], data: TaskData) -> Tensor:
    """Return the weights asked for of a task's labels; 1 where none is."""
    given_C = torch.ones(len(data.label_names()))
    for label, weight in asked.items():
        if data.labels is not None and label in data.labels:
            given_C[data.labels.id(label, "optim.class_weights")] = weight
    return given_C
