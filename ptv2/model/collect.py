"""Outputs of a whole split without a Trainer."""

from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch

from ptv2.data.collate import moved
from ptv2.model.outputs import Outputs
from ptv2.model.prompted import PromptedModel
from ptv2.runtime.progress import Progress
from ptv2.runtime.ranks import rank


def collect(module: PromptedModel, loader: Any, device: torch.device | str, split: str | None = None) -> Outputs:
    """Return what the heads decode for each row of a loader, in eval mode.

    Args:
        module: that decodes.
        loader: of batches; its sampler is a list of them.
        device: to compute on.
        split: of the rows, for the line that says how far it is; None: no such line.
    """
    if module.training or module.backbone.model.training:  # to set what is set takes a tenth of the time of a short row
        module.eval()
    wanted = torch.device(device)  # cuda is any of them
    held = {part.device for part in chain(module.parameters(), module.buffers())}
    if any(own.type != wanted.type or wanted.index not in (None, own.index) for own in held):
        module.to(device)
    module.outputs.clear()
    with torch.no_grad(), nullcontext() if split is None else progress_of(module, loader, split) as said:
        for batch in loader:  # not inference mode, in which FSDP does not gather
            for part, logits in module.read(moved(batch, device)):
                module.keep_outputs(part, logits, module.tasks[part["task"]].card.metrics)
                if said is not None:
                    said.add(len(part["row"]))
    module.outputs.gather(rank())
    return module.outputs


def progress_of(module: PromptedModel, loader: Any, split: str) -> Progress:
    """Make what says how far a pass over a loader is; rows are counted, or the features that are made of them."""
    sets = {name: found for name, found in loader.dataset.sets if len(found)}
    apart = any(len(found) != len(module.tasks[name].rows[split].data) for name, found in sets.items())
    verb = "generating" if any(module.head(name).reads == "logits" for name in sets) else "scoring"
    total = sum(map(len, loader.batch_sampler))
    return Progress(f"{verb} {', '.join(sets)} {split}", total, "features" if apart else "rows")
