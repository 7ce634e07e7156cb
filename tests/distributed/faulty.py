"""`ptv2.fit` with something done to its ranks: `python faulty.py FAULT <arguments of ptv2.fit>`.

kill: rank 1 is killed in the third step. stop: it hangs there. note: each rank writes down, when training starts, what
it would draw next, what its prompt holds, and of how many parameters it has only a part.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from ptv2 import command, fit
from ptv2.module import PromptModule

fault = sys.argv[1]
step, started = PromptModule.training_step, PromptModule.on_train_start


def training_step(module, batch, index):
    if module.trainer.global_step == 2 and module.global_rank == 1:
        os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[fault])
    return step(module, batch, index)


def on_train_start(module):
    state = torch.get_rng_state()
    about = {
        "draw": torch.rand(1).item(),
        "prompt": [float(p.detach().sum()) for p in module.prompt.parameters()],
        "parts": sum(isinstance(p, DTensor) and p.numel() > p.to_local().numel() for p in module.parameters()),
    }
    torch.set_rng_state(state)
    Path(f"rank-{module.global_rank}.json").write_text(json.dumps(about))
    started(module)


if fault == "note":
    PromptModule.on_train_start = on_train_start
else:
    PromptModule.training_step = training_step
command.run(fit.main, fit.command_line(), sys.argv[2:])
