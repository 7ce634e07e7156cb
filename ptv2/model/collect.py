"""Outputs of a whole split without a Trainer."""

from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device

from ptv2.model.module import PromptModule
from ptv2.model.outputs import Outputs


def collect(module: PromptModule, loader: Any, device: torch.device | str) -> Outputs:
    """Return what the heads decode for each row of a loader, in eval mode."""
    module.eval().to(device)
    module.outputs.clear()
    with torch.no_grad():  # not inference mode, in which FSDP does not gather
        for batch in loader:
            for part, logits in module.read(move_data_to_device(batch, device)):
                module.keep_outputs(part, logits, module.tasks[part["task"]].card.metrics)
    module.outputs.gather(module.global_rank)
    return module.outputs
