"""The gradient of one batch, out of those that torch adds up and a strategy and a precision change."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class BatchGradient:
    """What each batch of a step adds to the gradient: the mean over the ranks, as the update takes it.

    DDP averages over the ranks in a step's last batch alone, then all of the step at once; before that a rank's sum is
    its own. What a callback asks before the last batch is averaged here.
    """

    def __init__(self) -> None:
        self.mine: Tensor | float = 0.0  # the sum of the step's batches so far, on this rank
        self.mean: Tensor | float = 0.0  # and the mean of those sums over the ranks

    def of(self, parameters: list[nn.Parameter], trainer: L.Trainer) -> Tensor:
        """Return the gradient of the batch whose backward pass has just ended, flat and without any loss scale."""
        # A task that reads the encoder alone has no gradient at the decoder's prompt.
        flat = [(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in parameters]
        total = torch.cat(flat).detach() * (trainer.accumulate_grad_batches / loss_scale(trainer))
        if trainer.accumulate_grad_batches == 1:  # nothing to tell apart, nor to keep
            return total
        if is_own(trainer):
            gradient = trainer.strategy.reduce(total - self.mine, reduce_op="mean")
        else:
            gradient = total - self.mean
        self.mine, self.mean = total, self.mean + gradient
        return gradient

    def begin(self) -> None:
        """Begin a step: torch has set its gradients to zero."""
        self.mine = self.mean = 0.0


def is_own(trainer: L.Trainer) -> bool:
    """Tell whether gradients are this rank's own yet: DDP averages them in a later batch of the step."""
    model = trainer.strategy.model
    return isinstance(model, DistributedDataParallel) and not model.require_backward_grad_sync


def loss_scale(trainer: L.Trainer) -> float:
    """Return what 16-bit precision multiplies the loss by before the backward pass, and gradients with it."""
    scaler: Any = getattr(trainer.precision_plugin, "scaler", None)
    return scaler.get_scale() if scaler is not None else 1.0
