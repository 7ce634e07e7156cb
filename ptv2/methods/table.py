"""Methods: which parameters train, and what the backbone sees. `method` in the config names one.

deep: deep prompts on the frozen backbone (P-Tuning v2). head: the head alone, a linear probe. full: every weight of
the backbone, without prompts. A new method is one entry of `METHODS`.
"""

from collections.abc import Callable

from torch import nn

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.deep.prompt import DeepPrompt


def deep(config: Config, backbone: Backbone) -> DeepPrompt:
    """Deep prompts; real tokens start behind them if the config asks for the official positions."""
    prompt = DeepPrompt(config.prompt, backbone, list(config.tasks))
    if config.prompt.position_offset:
        if backbone.can_generate:
            raise UserError(
                "generation numbers positions by its cache, which does not know the prompt",
                where="prompt.position_offset",
                do="set it to false for a generating backbone",
            )
        backbone.position_shift = prompt.max_length
    return prompt


def head(config: Config, backbone: Backbone) -> None:
    """Nothing beside the head."""


def full(config: Config, backbone: Backbone) -> None:
    """The whole backbone."""
    backbone.model.requires_grad_(True)


METHODS: dict[str, Callable[[Config, Backbone], nn.Module | None]] = {"deep": deep, "head": head, "full": full}
"""Name -> what prepares the backbone and yields the prompt, if there is one."""
