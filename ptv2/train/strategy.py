"""How several devices share the work: the values of `trainer.strategy`.

ddp: every rank holds the whole model and a slice of each batch; gradients are averaged. `auto` is this where there
are several devices. fsdp2: the frozen layers are sharded, for a backbone that does not fit one device. fsdp: the same
by torch's older FSDP, on GPUs alone.
"""

import inspect
from datetime import timedelta
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.nn.parallel import DistributedDataParallel

from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest
from ptv2.train.sharded import FSDP1Strategy, ShardedStrategy, check_shardable

STRATEGIES = ("auto", "ddp", "fsdp2", "fsdp")


SHARDED = {"fsdp2": ShardedStrategy, "fsdp": FSDP1Strategy}
BUFFERS = ("forward_sync_buffers", "broadcast_buffers")  # names of one option, in new and in old releases of torch


def make_strategy(config: Config, settings: dict[str, Any]) -> Strategy | str:
    """Make the strategy for the Trainer's `settings`.

    Raises:
        UserError: one that this package does not know, or that does not suit the config or the machine.
    """
    name = settings.get("strategy", "auto")
    if name not in STRATEGIES:
        raise UserError(f"'trainer.strategy' is '{name}'", where="trainer", do=nearest(str(name), STRATEGIES))
    timeout = timedelta(seconds=config.run.timeout)
    if name in SHARDED:
        check_shardable(config, name)
        if name == "fsdp":
            check_gpus(settings)
        return SHARDED[name](timeout=timeout)
    if name == "auto" and (settings["devices"], settings.get("num_nodes", 1)) == (1, 1):
        return "auto"
    # A head without a batch in this step must not be waited for. DDP looks for such parameters in the graph, and
    # leaves their gradients None where no rank used them, as a single process does: AdamW skips them. A zero
    # gradient would save the search and still move them, by their momentum.
    # Buffers are constants, or the same on all ranks; sent around before each forward pass, they would have to be
    # waited for in scoring too.
    buffers = next(name for name in BUFFERS if name in inspect.signature(DistributedDataParallel).parameters)
    options: dict[str, Any] = {buffers: False, "find_unused_parameters": len(config.tasks) > 1}
    return DDPStrategy(timeout=timeout, **options)


def check_gpus(settings: dict[str, Any]) -> None:
    """Refuse FSDP1 on CPUs, as Lightning does.

    Raises:
        UserError: the run is on CPUs.
    """
    if settings.get("accelerator") == "cpu" or not torch.cuda.is_available():
        raise UserError("'trainer.strategy' is 'fsdp', which needs GPUs", where="trainer", do="use fsdp2, also on CPUs")
