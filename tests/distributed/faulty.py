"""`ptv2.fit` with something done to its ranks: `python faulty.py FAULT <arguments of ptv2.fit>`.

kill: rank 1 is killed in the third step. stop: it hangs there. note: each rank writes down, when training starts, what
it would draw next, what its prompt holds, and of how many parameters it has only a part, then and at the end.
cpu: the same, where `trainer.strategy=fsdp` is not refused on CPUs.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch.distributed.fsdp._flat_param import FlatParameter
from torch.distributed.tensor import DTensor

from ptv2.commands import fit
from ptv2.commands import shell as command
from ptv2.model.module import PromptModule
from ptv2.train import strategy

step, started, ended = PromptModule.training_step, PromptModule.on_train_start, PromptModule.on_train_end
about = {}


def end(number):
    """Return a training step in which rank one gets this signal."""

    def training_step(module, batch, index):
        if module.trainer.global_step == 2 and module.global_rank == 1:
            os.kill(os.getpid(), number)
        return step(module, batch, index)

    return training_step


def on_train_start(module):
    state = torch.get_rng_state()
    about["draw"] = torch.rand(1).item()
    about["prompt"] = [float(p.detach().sum()) for p in module.method.parameters()]
    about["parts"] = [parts(module)]
    torch.set_rng_state(state)
    started(module)


def on_train_end(module):
    about["parts"].append(parts(module))
    Path(f"rank-{module.global_rank}.json").write_text(json.dumps(about))
    ended(module)


def parts(module):
    """Of how many parameters there is a part; FSDP1 makes a single one of a layer."""
    sharded = [p.numel() > p.to_local().numel() for p in module.parameters() if isinstance(p, DTensor)]
    flat = [p.numel() < p._unpadded_unsharded_size.numel() for p in module.parameters() if isinstance(p, FlatParameter)]
    return sum(sharded) + sum(flat)


def put(fault):
    if fault in ("note", "cpu"):
        PromptModule.on_train_start, PromptModule.on_train_end = on_train_start, on_train_end
    else:
        PromptModule.training_step = end({"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[fault])
    if fault == "cpu":
        strategy.check_gpus = lambda settings: None


if __name__ == "__main__":
    put(sys.argv[1])
    command.run(fit.main, fit.command_line(), sys.argv[2:])
