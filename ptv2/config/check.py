"""Values of a config that have the right type and still cannot work."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from omegaconf import OmegaConf

from ptv2.config.cards import SPLITS
from ptv2.errors import UserError, nearest

if TYPE_CHECKING:
    from ptv2.config.schema import Config


CHOICES = {
    "backbone.dtype": ("float32", "bfloat16"),
    "backbone.attention": ("sdpa", "eager"),
    "prompt.form": ("kv", "hidden"),
    "prompt.dropout_per": ("example", "batch"),
    "prompt.sharing": ("shared", "task", "shared+task"),
    "prompt.train": ("all", "own"),
    "mixture.batches": ("single", "mixed"),
    "mixture.dry": ("cycle", "stop"),
    "mixture.loss": ("constant", "classes"),
    "head.pooling": ("cls", "mean", "last", "pooler", "dense"),
    "optim.schedule": ("linear", "exponential", "constant"),
}
"""Keys that take one of a few words."""


RANGES: dict[str, tuple[Callable[[float], bool], tuple[str, ...]]] = {
    "a number above 0": (
        lambda x: x > 0,
        (
            "optim.lr", "optim.head_lr", "optim.gamma", "data.batch_size", "data.eval_batch_size", "run.log_every",
            "run.timeout",
            "prompt.projection", "prompt.rank", "prompt.retrieve.steps", "prompt.retrieve.top", "data.tokens_per_batch",
            "mixture.steps_per_epoch", "run.save_every", "run.keep_last", "guard.step_timeout", "guard.patience",
        ),
    ),
    "0 or more": (
        lambda x: x >= 0,
        ("prompt.init_std", "optim.weight_decay", "optim.warmup", "optim.clip", "data.workers", "mixture.cosine_every"),
    ),
    "0 or more, below 1": (lambda x: 0 <= x < 1, ("prompt.dropout", "head.dropout", "backbone.dropout")),
    "0 or more, below 2**32": (lambda x: 0 <= x < 2**32, ("seed", "data.seed")),
    "10,000,000 or less": (lambda x: x <= 10**7, ("mixture.steps_per_epoch",)),
}  # fmt: skip
"""What a number must be -> the test of it, and the keys it holds for (null passes)."""


def check(config: "Config", where: str = "config") -> None:
    """Refuse what cannot work.

    Raises:
        UserError: at the first one.
    """
    plain = OmegaConf.structured(config)
    for key, words in CHOICES.items():
        value = OmegaConf.select(plain, key)
        if value not in words:
            raise UserError(f"'{key}' is '{value}'", where=where, do=nearest(value, words))
    for range, (holds, keys) in RANGES.items():
        for key in keys:
            value = OmegaConf.select(plain, key)
            if value is not None and not holds(value):
                raise UserError(f"'{key}' is {value}", where=where, do=f"use {range}")
    if not re.fullmatch(r"stop|skip:[1-9]\d*", config.guard.on_nonfinite):
        raise UserError(f"'guard.on_nonfinite' is '{config.guard.on_nonfinite}'", where=where, do="use stop or skip:K")
    for split in config.data.limit:
        if split not in SPLITS:
            raise UserError(f"no split '{split}'", where=f"{where}: data.limit", do=nearest(split, SPLITS))
    from ptv2.config.trainer_keys import check_trainer

    check_trainer(config.trainer, where)
