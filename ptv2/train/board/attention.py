"""How much of each attention head goes to the prompt.

Shapes: B rows, H heads, T queries.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptv2.kinds.features import IGNORE


@torch.no_grad()
def attention_mass(module: Any, task: str, rows: int) -> dict[str, NDArray[np.floating]]:
    """Measure the mean share of the attention weights on the prompt, [layers, H] by place of the attention.

    Layers without a prompt in their softmax are NaN. A place without any is left out, so there is none for forms of
    prompt that act beside the softmax.

    Args:
        module: in eval mode.
        task: whose first validation rows are read.
        rows: how many.
    """
    data, backbone = module.tasks[task], module.backbone
    encoded = data.encoded("validation")
    batch = data.features.collate([encoded[i] for i in range(min(rows, len(encoded)))]) | {"task": task}
    batch = {key: value.to(module.device) if isinstance(value, Tensor) else value for key, value in batch.items()}
    with backbone.state.weighing() as masses, torch.compiler.set_stance("force_eager"):
        module.members(batch)
    found: dict[str, NDArray[np.floating]] = {}
    for index, mass_BHT in masses.items():
        site = backbone.sites[index]
        layers = [other.heads for other in backbone.sites if other.place == site.place]
        shares = found.setdefault(site.place, np.full((len(layers), max(layers)), np.nan))
        reads_target = backbone.is_encoder_decoder and site.place != "encoder"
        mask_BT = (batch["labels"] != IGNORE) if reads_target else batch["attention_mask"]
        shares[site.layer, : site.heads] = mean_over(mass_BHT, mask_BT).cpu().numpy()
    return found


def mean_over(mass_BHT: Tensor, mask_BT: Tensor) -> Tensor:
    """Average over the queries that stand for tokens of a text, [H]: not padding, not the prompt in front."""
    copies, front = len(mass_BHT) // len(mask_BT), mass_BHT.shape[2] - mask_BT.shape[1]
    weights_BT = torch.nn.functional.pad(mask_BT.to(mass_BHT.dtype), (front, 0)).repeat(copies, 1)
    return (mass_BHT * weights_BT[:, None]).sum((0, 2)) / weights_BT.sum()
