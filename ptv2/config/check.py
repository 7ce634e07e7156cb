"""Values of a config that have the right type but cannot work."""

import re
import unicodedata

from ptv2.config.board import LOGGERS, check_words
from ptv2.config.cards import SPLITS, check_values
from ptv2.config.keys import outside
from ptv2.config.schema import Config
from ptv2.config.trainer_keys import check_trainer
from ptv2.errors import UserError, nearest

LONGEST = 255
"""Bytes in the name of a folder, on every file system in use."""


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
        _ = config.prompt.forms, config.prompt.start, config.prompt.chosen_layers, config.head.start
        _ = config.optim.weights, config.mixture.rule, config.guard.skips
        _ = config.methods, config.bitfit.chosen, config.lora.chosen
        config.board.check()
        check_words("run.loggers", config.run.loggers, LOGGERS)
    except UserError as error:
        raise UserError(str(error), where=where) from error
    for split in config.data.limit:
        if split not in SPLITS:
            raise UserError(f"no split '{split}'", where=f"{where}: data.limit", do=nearest(split, SPLITS))
    if config.backbone.memory_budget is not None and config.backbone.gradient_checkpointing:
        what = (
            "'backbone.memory_budget' chooses layers to recompute, and backbone.gradient_checkpointing recomputes all"
        )
        raise UserError(what, where=where, do="set one of them")
    precision = str(config.trainer.get("precision"))
    if config.optim.fused and precision in ("16", "16-mixed"):  # skipped steps and logged norms need them unscaled
        what = f"'optim.fused' takes gradients with the scale that trainer.precision={precision} puts on them"
        raise UserError(what, where=where, do="set it to false, or trainer.precision=bf16-mixed with optim.clip=0")
    if config.optim.fused and config.optim.clip and "16" in precision:
        what = f"Lightning clips no gradients of a fused optimiser under trainer.precision={precision}"
        raise UserError(what, where=where, do="set optim.fused=false, or optim.clip=0")
    check_folder(config.run.name, config.run.folder, where)
    for name, callback in config.run.callbacks.items():
        path = callback.get("path")
        if not isinstance(path, str) or not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", path):
            do = "give the import path of a class, e.g. path: lightning.pytorch.callbacks.StochasticWeightAveraging"
            raise UserError(f"path is '{path}'", where=f"{where}: run.callbacks.{name}", do=do)
    check_trainer(config.trainer, where)


def check_folder(name: str, folder: str, where: str) -> None:
    """Refuse a run's name or folder that no file system takes, or a name that leads out of the folder.

    Raises:
        UserError: see above.
    """
    for key, text in (("run.name", name), ("run.folder", folder)):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
            raise UserError(f"'{key}' holds a character that is no text", where=where, do="leave it out")
        if any(len(part.encode()) > LONGEST for part in text.split("/")):
            raise UserError(f"'{key}' is too long for a folder", where=where, do=f"use {LONGEST} bytes or fewer")
    if any(part in ("", ".", "..") for part in name.split("/")):
        do = "use a name such as first or boolq/first, and run.folder for where it stands"
        raise UserError(f"'run.name' is '{name}', which leads out of 'run.folder'", where=where, do=do)
