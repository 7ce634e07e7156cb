"""The optimiser and schedules of the paper: AdamW; a linear, exponential or constant learning rate."""

import warnings
from collections.abc import Iterable

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ptv2.config.schema import OptimConfig


def make_optimizer(config: OptimConfig, prompt: Iterable[nn.Parameter], rest: Iterable[nn.Parameter]) -> AdamW:
    """Make AdamW with `lr` for what the method trains and `head_lr` for the heads."""
    groups = [
        {"params": [p for p in prompt if p.requires_grad], "lr": config.lr},
        {"params": [p for p in rest if p.requires_grad], "lr": config.head_lr or config.lr},
    ]
    groups = [group for group in groups if group["params"]]
    return AdamW(groups, weight_decay=config.weight_decay, fused=config.fused or None)  # None: as torch chooses


def make_schedule(optimizer: AdamW, config: OptimConfig, steps: int, steps_per_epoch: int) -> LambdaLR:
    """Return the learning rate's factor by optimiser step.

    linear: falls to 0 at the last step (GLUE, SuperGLUE in the official code). exponential: `gamma` per finished epoch
    (tagging, QA). constant: 1. Each rises linearly from 0 over the warm-up.
    """
    warmup = round(config.warmup * steps) if config.warmup < 1 else round(config.warmup)
    if 0 < steps < warmup:
        said = f"optim.warmup: {warmup} steps, and the run has {steps}: the rate does not reach optim.lr"
        warnings.warn(said, stacklevel=2)

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        if config.schedule == "linear":
            return max(0.0, (steps - step) / max(1, steps - warmup))
        if config.schedule == "exponential":
            return config.gamma ** (step // max(1, steps_per_epoch))
        return 1.0

    return LambdaLR(optimizer, factor)
