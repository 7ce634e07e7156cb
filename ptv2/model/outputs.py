"""What the heads decode for the rows of a split, collected until the split is complete."""

from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device

from ptv2.model.module import PromptModule


def collect(module: PromptModule, loader: Any, device: torch.device | str) -> dict[str, dict[int, list[Any]]]:
    """What the heads decode for each row of a loader, by task, in eval mode, without a Trainer."""
    module.eval().to(device)
    module.outputs.clear()
    with torch.no_grad():  # not inference mode, in which FSDP does not gather
        for batch in loader:
            for part, logits in module.read(move_data_to_device(batch, device)):
                module.keep_outputs(part, logits, module.tasks[part["task"]].card.metrics)
    module.gather_outputs()
    return module.outputs
