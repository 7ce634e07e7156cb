"""Make the Lightning Trainer of a run, with its callbacks, loggers and strategy."""

from collections.abc import Sequence
from functools import partial

import lightning as L
from lightning.pytorch.callbacks import Callback, EarlyStopping

from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.model.build import Parts
from ptv2.runtime.scheduler import on_slurm, slurm_environment
from ptv2.train.board.layers import LayerCurves
from ptv2.train.board.views import Views
from ptv2.train.callbacks.budget import MemoryBudget
from ptv2.train.callbacks.checkpoint import Checkpoints
from ptv2.train.callbacks.guard import CollapseGuard, FiniteGuard, Watchdog
from ptv2.train.callbacks.learning import Learning
from ptv2.train.callbacks.longest import LongestBatch
from ptv2.train.callbacks.own import own_callbacks
from ptv2.train.callbacks.progress import Opening, Resumed, make_progress
from ptv2.train.callbacks.scalars import Scalars
from ptv2.train.callbacks.signals import Signals
from ptv2.train.callbacks.speed import Speed
from ptv2.train.callbacks.tasks import TaskCurves
from ptv2.train.checkpoint_file import CheckpointFiles
from ptv2.train.folder import RunFolder
from ptv2.train.lightning_private import count_steps_done
from ptv2.train.loggers.make import make_loggers
from ptv2.train.opening import opening
from ptv2.train.resume import Start
from ptv2.train.sharded import ShardedStrategy
from ptv2.train.strategy import make_strategy


def make_trainer(
    config: Config, folder: RunFolder, parts: Parts, start: Start | None, more: Sequence[Callback] = ()
) -> tuple[L.Trainer, Checkpoints]:
    """Make the Trainer, with `trainer:` passed through, and the callback that knows the best checkpoint.

    Args:
        config: the run's.
        folder: where it writes.
        parts: what trains, and on what.
        start: the checkpoint it will resume from; what was logged later is dropped.
        more: callbacks beside those that the config asks for.

    Raises:
        UserError: Lightning refuses the values, or they ask for what is not there.
    """
    data = parts.data
    validated = any("validation" in task.rows for task in data.tasks.values())
    run, guard, first = config.run, config.guard, start.step + 1 if start else 1  # step that is logged
    source = start.path.parent if start else None
    checkpoints = Checkpoints(folder.checkpoints, validated, data.fingerprints(), run.keep_last, run.save_every, source)
    callbacks: list[Callback] = [
        Scalars(),  # first: others find what it logs
        FiniteGuard(folder.path, guard.skips),
        CollapseGuard(),
        Signals(checkpoints),
    ]
    if len(data.tasks) > 1:
        callbacks.append(TaskCurves(list(data.tasks), run.log_every, config.mixture.cosine_every))
    if config.backbone.memory_budget is not None:
        callbacks.append(MemoryBudget(data, config.backbone))
    if config.data.try_longest:
        callbacks.append(LongestBatch(data))
    callbacks += [LayerCurves()] * ("layers" in config.board.views) + [Views(config.board)]
    callbacks.append(Speed(folder.path / "speed.jsonl", first, run.log_every))  # behind what a validation is drawn by
    if guard.patience is not None:
        callbacks.append(early_stopping(guard.patience, validated))
    if guard.step_timeout is not None:
        callbacks.append(Watchdog(folder.path, guard.step_timeout))
    shown = config.trainer.get("enable_progress_bar", True)
    if shown:
        callbacks.append(Opening(partial(opening, config, parts, folder.path)))
    if start is not None:
        callbacks.append(Resumed(start.path))
    if shown:
        callbacks += [make_progress(run.log_every), Learning()]
    loggers = make_loggers(config, folder, first)
    callbacks += [*own_callbacks(config), *more]
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
        what = "no limit is set, so the run would never end"
        if settings.get("max_time") is not None:
            what = "trainer.max_time alone does not say how many steps the schedule of the learning rate has"
        raise UserError(what, where="trainer.max_epochs", do="set it, or trainer.max_steps")
    try:
        trainer = L.Trainer(
            logger=loggers, callbacks=callbacks, plugins=plugins, default_root_dir=folder.path, **settings
        )
    except Exception as error:  # Lightning raises many types, and none of our code runs here
        raise UserError(str(error), where="trainer", do="see lightning.Trainer") from error
    count_steps_done(trainer)
    interval, batches = settings.get("val_check_interval"), len(data.mixture(trainer.world_size))
    if type(interval) is int and settings.get("check_val_every_n_epoch", 1) is not None and interval > batches:
        raise UserError(
            f"is {interval} batches, but an epoch has {batches}", where="trainer.val_check_interval", do="lower it"
        )
    return trainer, checkpoints


def early_stopping(patience: int, validated: bool) -> EarlyStopping:
    """End training after `patience` validations without a better score.

    Raises:
        UserError: nothing is validated.
    """
    if not validated:
        raise UserError(
            "no task has validation rows", where="guard.patience", do="set it to null, or give a task validation rows"
        )
    return EarlyStopping("validation/score", mode="max", patience=patience, check_finite=False)
