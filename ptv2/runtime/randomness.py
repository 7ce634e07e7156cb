"""The states of all random number generators that training draws from, as plain values."""

import random
from typing import Any

import numpy as np
import torch

from ptv2.runtime.ranks import gather


def state() -> dict[str, Any]:
    """Return the states of this process: Python's, NumPy's, torch's, and its CUDA device's where there is one."""
    legacy: Any = np.random.get_state()  # a tuple
    kind, keys, *rest = legacy
    return {
        "python": random.getstate(),
        "numpy": (kind, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def of_all_ranks() -> list[dict[str, Any]]:
    """Gather the states of all ranks, on every rank."""
    return gather(state())


def put_back(states: list[dict[str, Any]], rank: int, world: int) -> None:
    """Restore this rank's states, if the world size is the same: no saved state belongs to other ranks."""
    if len(states) != world:
        return
    saved = states[rank]
    random.setstate(saved["python"])
    np.random.set_state(saved["numpy"])
    torch.set_rng_state(saved["torch"])
    if saved["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["cuda"])
