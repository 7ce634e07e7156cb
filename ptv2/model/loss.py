"""The loss over tasks and ranks."""

import math

import torch
import torch.distributed as dist
from torch import Tensor

from ptv2.config.schema import MixtureConfig
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.runtime.ranks import summed, world


def joint_counts(
    counts: dict[str, tuple[int, int]], tasks: list[str], device: torch.device | str
) -> tuple[dict[str, int], dict[str, int]]:
    """Terms and rows of each task that is in the batch on any rank.

    Args:
        counts: terms and rows of each task in this rank's share.
        tasks: all tasks, in an order that ranks agree on.
        device: of the process group.
    """
    own = [counts.get(task, (0, 0)) for task in tasks]
    totals = list(map(int, summed([count for pair in own for count in pair], device)))
    rows = {task: count for task, count in zip(tasks, totals[1::2], strict=True) if count}
    return {task: count for task, count in zip(tasks, totals[::2], strict=True) if task in rows}, rows


def joint_losses(parts: dict[str, Tensor], tasks: list[str], device: torch.device | str) -> dict[str, Tensor]:
    """Each task's loss on all ranks, the sum of their parts of it."""
    if world() == 1:
        return {task: part.detach() for task, part in parts.items()}
    own = [parts[task].detach().float() if task in parts else torch.zeros((), device=device) for task in tasks]
    losses = torch.stack(own)
    dist.all_reduce(losses)
    return dict(zip(tasks, losses.unbind(), strict=True))


def loss_weights(config: MixtureConfig, tasks: dict[str, TaskData]) -> dict[str, float]:
    """The factor on each task's loss.

    classes: 1 / log(number of labels), for one of several labels the loss of a uniform guess; 1 for kinds without.

    Raises:
        UserError: a weight for an unknown task.
    """
    for name in config.loss_weights:
        if name not in tasks:
            raise UserError(f"unknown task '{name}'", where="mixture.loss_weights", do=nearest(name, tasks))
    weights = {}
    for name, data in tasks.items():
        by_classes = config.loss == "classes" and len(data.label_names()) > 1
        if not 0 <= config.loss_weights.get(name, 1.0) < math.inf:
            where = f"mixture.loss_weights.{name}"
            raise UserError(f"is {config.loss_weights[name]}", where=where, do="use 0 or more")
        weights[name] = config.loss_weights.get(name, 1.0) / (math.log(len(data.label_names())) if by_classes else 1)
    return weights
