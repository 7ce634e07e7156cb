"""Prompts at the input layer for tests, with numbers large enough to matter."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.config.cards import TaskCard
from ptv2.config.schema import Config, PromptConfig
from ptv2.methods.prompt import SoftPrompt

P = 4
TASKS = ["first", "second", "third"]


def make_soft_prompt(
    backbone: Backbone, seed: int = 1, tasks: Sequence[str] = TASKS, stirred: bool = True, **prompt: Any
) -> SoftPrompt:
    """A prompt at the input in eval mode, all of its parameters moved from their start if `stirred`."""
    settings = {"length": P, "dropout": 0.0} | prompt
    cards = {name: TaskCard(name=name, kind="cls") for name in tasks}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = SoftPrompt(Config(cards, method="prompt", prompt=PromptConfig(**settings)), backbone).eval()
        with torch.no_grad():
            for parameter in made.parameters() if stirred else ():
                parameter.add_(torch.randn_like(parameter))
    return made


def one_row(batch: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """A row as a batch of its own, without its padding."""
    real = batch["attention_mask"][row] == 1
    return {key: value[row : row + 1, real] for key, value in batch.items()}
