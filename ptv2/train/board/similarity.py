"""How alike the tasks of a mixture are: by their own prompts, or by what they ask of the prompt they share."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ptv2.methods.vectors import VectorMethod
from ptv2.train.board.draw import Picture, heat_map
from ptv2.train.retrieval import cosines


def of_prompts(method: VectorMethod) -> Picture | None:
    """Draw the cosines between the tasks' own prompts, as `ptv2 similarity` computes them; None: they have none."""
    if method.config.sharing == "shared" or len(method.tasks) < 2:
        return None
    cosines_NN = cosines([method.folded(task) for task in method.tasks]).mean(0).cpu().numpy()
    return _drawn(cosines_NN, method.tasks, "cosine between the tasks' prompts")


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
