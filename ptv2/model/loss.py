"""The loss over tasks and ranks.

The batch is that of all ranks. Its loss is the mean over its rows of their task's weighted loss, itself a mean over the
task's terms (rows, words, tokens). Each rank has a part of this mean, and DDP's average over ranks of their gradients,
taken world-size times, is its gradient: a rank with more terms than others weighs more, one without any nothing.
A term's own weight (`optim.class_weights`) is a factor on it: the mean is still over the number of terms.
"""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ptv2.config.schema import MixtureConfig
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.kinds.head import Head
from ptv2.runtime.ranks import gather, summed, world


@dataclass(frozen=True)
class BatchLoss:
    """The loss of a training batch."""

    part: Tensor  # of this rank: what is differentiated
    losses: dict[str, Tensor]  # of each task in the batch, on all ranks
    row_counts: dict[str, int]  # rows of each task in the batch, on all ranks
    mean: Tensor  # what is logged


def batch_loss(
    read: list[tuple[dict[str, Any], list[Tensor]]],
    heads: nn.ModuleDict,
    task_weights: dict[str, float],
    device: torch.device | str,
) -> BatchLoss:
    """Compute the loss of the parts of a batch, one part per task in it, with their logits.

    Where several prompts read them (an ensemble), it is the mean of their losses.

    Args:
        read: each task's part of this rank's slice of the batch, and the logits for it, of one prompt or several.
        heads: by task.
        task_weights: the factor on each task's loss, in an order that ranks agree on.
        device: of the process group.
    """
    counts = {part["task"]: _counts(part, heads) for part, _ in read}
    terms, row_counts = joint_counts(counts, list(task_weights), device)
    parts = {}
    for part, members in read:
        task, own = part["task"], counts[part["task"]][0]
        # Without a term the mean would be 0/0: this rank only takes part in the backward pass.
        head = cast(Head, heads[task])
        loss = torch.stack([head.loss(logits, part) if own else 0.0 * logits.clamp(-1, 1).sum() for logits in members])
        parts[task] = loss.mean() * (own / terms[task] if own else 1.0)
    losses = joint_losses(parts, list(row_counts), device)
    weights = {task: task_weights[task] * (rows / sum(row_counts.values())) for task, rows in row_counts.items()}
    part = sum(weights[task] * part * world() for task, part in parts.items())
    mean = sum(weights[task] * loss for task, loss in losses.items())
    return BatchLoss(cast(Tensor, part), losses, row_counts, cast(Tensor, mean))  # no batch is without a task


def _counts(part: dict[str, Any], heads: nn.ModuleDict) -> tuple[int, int]:
    """Count the loss terms and the rows of a part; dummy rows have neither."""
    return (cast(Head, heads[part["task"]]).terms(part) if part["counted"] else 0), part["counted"]


def joint_counts(
    counts: dict[str, tuple[int, int]], tasks: list[str], device: torch.device | str
) -> tuple[dict[str, int], dict[str, int]]:
    """Sum the terms and rows of each task that is in the batch on any rank.

    Args:
        counts: terms and rows of each task in this rank's slice.
        tasks: all tasks, in an order that ranks agree on.
        device: of the process group.
    """
    own = [counts.get(task, (0, 0)) for task in tasks]
    totals = list(map(int, summed([count for pair in own for count in pair], device)))
    rows = {task: count for task, count in zip(tasks, totals[1::2], strict=True) if count}
    return {task: count for task, count in zip(tasks, totals[::2], strict=True) if task in rows}, rows


def joint_losses(parts: dict[str, Tensor], tasks: list[str], device: torch.device | str) -> dict[str, Tensor]:
    """Sum each task's loss over the ranks, which hold parts of it."""
    if world() == 1:
        return {task: part.detach() for task, part in parts.items()}
    own = [parts[task].detach().float() if task in parts else torch.zeros((), device=device) for task in tasks]
    losses = torch.stack(own)
    dist.all_reduce(losses)
    return dict(zip(tasks, losses.unbind(), strict=True))


def mean_losses(kept: list[tuple[str, float, int]]) -> dict[str, float]:
    """Average the losses of validation batches over what they are means of, on all ranks.

    Args:
        kept: (task, loss, terms) of each batch of this rank; the terms are rows, words or tokens, see `Head.terms`.
    """
    batches = [batch for of_rank in gather(kept) for batch in of_rank]
    means = {}
    for task in dict.fromkeys(task for task, _, _ in batches):
        own = [(loss, terms) for name, loss, terms in batches if name == task]
        means[task] = sum(loss * terms for loss, terms in own) / sum(terms for _, terms in own)
    return means


def loss_weights(config: MixtureConfig, tasks: dict[str, TaskData]) -> dict[str, float]:
    """Return the factor on each task's loss.

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
