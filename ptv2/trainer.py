"""Lightning's Trainer: what `trainer:` in a config may say, and the one that a run uses."""

import inspect
from typing import Any, Literal, get_args, get_origin

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from ptv2.callbacks import (
    Checkpoints,
    CollapseGuard,
    FiniteGuard,
    JsonlLogger,
    Samples,
    Signals,
    TaskCurves,
    Watchdog,
    make_progress,
)
from ptv2.checkpoint import CheckpointFiles, Start
from ptv2.cluster import on_slurm, slurm_environment
from ptv2.config import Config
from ptv2.data.datamodule import TaskDataModule
from ptv2.errors import UserError, nearest
from ptv2.run import RunFolder
from ptv2.sharded import ShardedStrategy
from ptv2.strategy import make_strategy

OURS = {"self", "logger", "callbacks", "default_root_dir", "plugins", "enable_checkpointing"}
INSTEAD = {
    "fast_dev_run": "use --dry-run, which does everything up to the first batch",
    "limit_train_batches": "use mixture.steps_per_epoch=N",
    "reload_dataloaders_every_n_epochs": "the batches of all epochs follow from the seed",
    "overfit_batches": "use data.limit.train=N",
    "limit_val_batches": "scores are of whole splits: use data.limit.validation=N",
    "limit_test_batches": "use data.limit.test=N",
    "limit_predict_batches": "give ptv2.predict fewer rows",
}
"""Arguments of the Trainer that a run has no use for -> what to use instead."""
COUNTS = ("accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch")
"""Arguments with which Lightning divides."""


def check_trainer(values: dict[str, Any], where: str) -> None:
    """Refuse what Lightning's Trainer does not know or would misread.

    Raises:
        UserError: unknown key, or a value of another type than the Trainer's signature names.
    """
    known = {name: p for name, p in inspect.signature(L.Trainer.__init__).parameters.items() if name not in OURS}
    for key, value in values.items():
        if key not in known:
            raise UserError(f"unknown key 'trainer.{key}'", where=where, do=nearest(key, set(known) - set(INSTEAD)))
        if key in INSTEAD:
            raise UserError(f"'trainer.{key}' is not supported", where=where, do=INSTEAD[key])
        kinds = get_args(known[key].annotation) or (known[key].annotation,)
        plain = [kind for kind in kinds if kind in (int, float, str, bool, type(None))]
        plain += {get_origin(kind) for kind in kinds} & {list, dict}
        names = any(get_origin(kind) is Literal for kind in kinds)  # Lightning checks those itself
        if not names and not isinstance(value, tuple(plain)):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in plain)
            raise UserError(f"'trainer.{key}' is '{value}'", where=where, do=f"use {wanted}")
        if key in COUNTS and isinstance(value, (int, float)) and value <= 0:
            raise UserError(f"'trainer.{key}' is {value}", where=where, do="use a number above 0")


def make_trainer(
    config: Config, folder: RunFolder, data: TaskDataModule, start: Start | None
) -> tuple[L.Trainer, Checkpoints]:
    """The Trainer with `trainer:` passed through, and the callback that knows the best checkpoint.

    Args:
        config: the run's.
        folder: where it writes.
        data: what it trains on.
        start: the checkpoint it will go on from; what was logged later is dropped.

    Raises:
        UserError: Lightning refuses the values, or they ask for what is not there.
    """
    validated = any("validation" in task.rows for task in data.tasks.values())
    run, guard, step = config.run, config.guard, start.step if start else 0
    checkpoints = Checkpoints(folder.checkpoints, validated, data.fingerprints(), run.keep_last, run.save_every)
    callbacks: list[Callback] = [
        FiniteGuard(folder.path, guard.skips),
        CollapseGuard(),
        Samples(),
        Signals(checkpoints),
    ]
    if len(data.tasks) > 1:
        callbacks.append(TaskCurves(list(data.tasks), run.log_every, config.mixture.cosine_every))
    if guard.step_timeout is not None:
        callbacks.append(Watchdog(folder.path, guard.step_timeout))
    if config.trainer.get("enable_progress_bar", True):
        callbacks.append(make_progress(run.log_every))
    loggers = [
        JsonlLogger(folder.path / "metrics.jsonl", step),
        TensorBoardLogger(folder.path, name="", version="tensorboard", default_hp_metric=False, purge_step=step),
    ]
    callbacks.append(checkpoints)  # Lightning puts it last: what others do at a step is done when it is saved
    settings = {
        "log_every_n_steps": run.log_every,
        "gradient_clip_val": config.optim.clip or None,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "accelerator": "auto",
        "devices": 1,
    } | config.trainer
    settings["strategy"] = make_strategy(config, settings)
    if isinstance(settings["strategy"], ShardedStrategy):
        if config.trainer.get("inference_mode"):
            raise UserError("cannot be used with sharded layers", where="trainer.inference_mode", do="leave it out")
        settings["inference_mode"] = False  # a layer first gathered in it could not be trained through
    plugins = [CheckpointFiles(), *([slurm_environment()] if on_slurm() else [])]
    if settings.get("max_epochs") in (None, -1) and settings.get("max_steps", -1) == -1:
        raise UserError("the run has no end", where="trainer.max_epochs", do="set it, or trainer.max_steps")
    try:
        trainer = L.Trainer(
            logger=loggers, callbacks=callbacks, plugins=plugins, default_root_dir=folder.path, **settings
        )
    except Exception as error:  # what Lightning finds wrong comes in many types, and nothing of ours runs here
        raise UserError(str(error), where="trainer", do="see lightning.Trainer") from error
    data.rank, data.world = trainer.global_rank, trainer.world_size
    interval, batches = settings.get("val_check_interval"), len(data.train_dataloader())
    if type(interval) is int and settings.get("check_val_every_n_epoch", 1) is not None and interval > batches:
        raise UserError(f"{interval} batches in epochs of {batches}", where="trainer.val_check_interval", do="lower it")
    return trainer, checkpoints
