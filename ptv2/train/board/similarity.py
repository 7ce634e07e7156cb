"""How alike the tasks of a mixture are: by their own prompts, or by what they ask of the prompt they share."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ptv2.methods.vectors import VectorMethod
from ptv2.train.board.draw import Picture, heat_map


def of_prompts(method: VectorMethod) -> Picture | None:
    """Draw the cosines between the vectors of the tasks' own prompts; None: they have none."""
    if method.config.sharing == "shared" or len(method.tasks) < 2:
        return None
    cosines_NN = cosines([method.folded(task) for task in method.tasks]).cpu().numpy()
    return _drawn(cosines_NN, method.tasks, "cosine between the tasks' prompts")


def cosines(prompts: Sequence[Sequence[Tensor]]) -> Tensor:
    """Compute the cosines [N, N] between N prompts, each averaged over its positions; the mean over layers."""
    means_LNF = [
        torch.stack([vector_PF.float().mean(0) for vector_PF in layer]) for layer in zip(*prompts, strict=True)
    ]
    units_LNF = [F.normalize(mean_NF, dim=1) for mean_NF in means_LNF]
    return torch.stack([unit_NF @ unit_NF.T for unit_NF in units_LNF]).mean(0)


def of_gradients(latest: Mapping[tuple[str, str], float], tasks: list[str]) -> Picture | None:
    """Draw the cosines between the gradients that tasks last had on what they share; None: not measured."""
    if not latest:
        return None
    cosines_NN = np.eye(len(tasks))
    for (a, b), value in latest.items():
        i, j = tasks.index(a), tasks.index(b)
        cosines_NN[i, j] = cosines_NN[j, i] = value
    return _drawn(cosines_NN, tasks, "cosine between the tasks' gradients on the shared prompt")


def _drawn(cosines_NN: NDArray[np.floating], tasks: list[str], title: str) -> Picture:
    return heat_map(cosines_NN, tasks, tasks, title, ("task", "task"), (-1.0, 1.0))
