"""The device of a run's rank, before there is a Trainer."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from ptv2.runtime.scheduler import on_slurm


def rank_device(trainer: Mapping[str, Any]) -> torch.device:
    """Return the device that a run with these settings of the Trainer computes on, of this rank."""
    accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", 1)
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        if isinstance(devices, str) and "," in devices:
            devices = [int(part) for part in devices.split(",") if part.strip()]
        gpus = devices if isinstance(devices, list) and devices else range(torch.cuda.device_count())
        return torch.device("cuda", gpus[local_rank() % len(gpus)])
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def local_rank() -> int:
    """Return this process's rank among those of its machine, as its launcher says; 0 without one."""
    own = os.environ.get("SLURM_LOCALID", 0) if on_slurm() else 0
    return int(os.environ.get("LOCAL_RANK", own))
