"""The devices of a run, before there is a Trainer: how many there are, and which is this rank's."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from ptv2.runtime.scheduler import on_slurm


def device_count(trainer: Mapping[str, Any]) -> int:
    """Count the devices on all nodes, from what `trainer` says; all GPUs of this node where it says `auto`."""
    devices, nodes = trainer.get("devices", 1), trainer.get("num_nodes", 1)
    if listed := _listed(devices):
        return len(listed) * nodes
    if str(devices) in ("auto", "-1"):
        gpus = torch.cuda.device_count() if trainer.get("accelerator", "auto") != "cpu" else 0
        return max(1, gpus) * nodes
    return max(1, int(devices) if str(devices).isdigit() else 1) * nodes


def rank_device(trainer: Mapping[str, Any]) -> torch.device:
    """Return the device that a run with these settings of the Trainer computes on, of this rank."""
    accelerator = trainer.get("accelerator", "auto")
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        gpus = _listed(trainer.get("devices", 1)) or range(torch.cuda.device_count())
        return torch.device("cuda", gpus[local_rank() % len(gpus)])
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def local_rank() -> int:
    """Return this process's rank among those of its machine, as its launcher says; 0 without one."""
    own = os.environ.get("SLURM_LOCALID", 0) if on_slurm() else 0
    return int(os.environ.get("LOCAL_RANK", own))


def _listed(devices: Any) -> list[int]:
    """List the devices that `[0, 1]` or `0,1` names; none where a number or a word counts them."""
    if isinstance(devices, str) and "," in devices:
        devices = [part.strip() for part in devices.split(",") if part.strip()]
    return [int(one) for one in devices if str(one).isdigit()] if isinstance(devices, list) else []
