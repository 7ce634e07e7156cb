"""Values of a config that have the right type but cannot work."""

import re

from ptv2.config.cards import SPLITS, check_values
from ptv2.config.keys import outside
from ptv2.config.schema import Config
from ptv2.config.trainer_keys import check_trainer
from ptv2.errors import UserError, nearest


def check(config: Config, where: str = "config") -> None:
    """Refuse what cannot work.

    Raises:
        UserError: at the first one.
    """
    for name, card in config.tasks.items():
        check_values(card, f"tasks.{name}")
    if (found := outside(config)) is not None:
        key, value, words = found
        raise UserError(f"'{key}' is {value}", where=where, do=f"use {words}")
    try:
        _ = config.prompt.start, config.prompt.chosen_layers, config.head.start
        _ = config.optim.weights, config.mixture.rule, config.guard.skips
    except UserError as error:
        raise UserError(str(error), where=where) from error
    for split in config.data.limit:
        if split not in SPLITS:
            raise UserError(f"no split '{split}'", where=f"{where}: data.limit", do=nearest(split, SPLITS))
    for name, callback in config.run.callbacks.items():
        path = callback.get("path")
        if not isinstance(path, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", path):
            do = "give the import path of a class, e.g. path: lightning.pytorch.callbacks.StochasticWeightAveraging"
            raise UserError(f"path is '{path}'", where=f"{where}: run.callbacks.{name}", do=do)
    check_trainer(config.trainer, where)
