"""What a cluster's scheduler says about this process, and what it is told: SLURM.

Lightning's own requeueing saves inside the signal's handler, where ranks wait for each other at different places, and
was seen to deadlock; it is off here. A stop at a step's end calls `requeue_from_rank_zero` instead.
"""

import os
import subprocess
import sys
import time
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from ptv2.errors import UserError
from ptv2.runtime.ranks import is_zero

PATIENCE = 60  # seconds in which a requeued job is ended


def on_slurm() -> bool:
    """Tell whether SLURM started this process as one of the run's ranks (and not torchrun, inside a SLURM job)."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in os.environ and not interactive and not TorchElasticEnvironment.detect()


def slurm_environment() -> SLURMEnvironment:
    """Make Lightning's view of the allocation, without its requeueing."""
    return SLURMEnvironment(auto_requeue=False)


def check_allocation(trainer: dict[str, Any]) -> None:
    """Compare `trainer.devices` and `trainer.num_nodes` with the SLURM job; a run would wait forever for missing ranks.

    Raises:
        UserError: they do not match.
    """
    if not on_slurm():
        return
    nodes, devices = trainer.get("num_nodes", 1), trainer.get("devices", 1)
    devices = len(devices) if isinstance(devices, list) else devices
    tasks, given_nodes = int(os.environ["SLURM_NTASKS"]), int(os.environ.get("SLURM_NNODES", "1"))
    do = "make them equal (python -m ptv2.slurm writes a script that does)"
    if nodes != given_nodes:
        raise UserError(f"is {nodes}, the SLURM job has {given_nodes} node(s)", where="trainer.num_nodes", do=do)
    if str(devices).isdigit() and int(devices) * nodes != tasks:
        what = f"is {devices} on {nodes} node(s), the SLURM job has {tasks} task(s)"
        raise UserError(what, where="trainer.devices", do=do)
    if tasks > 1 and "SLURM_STEP_ID" not in os.environ:
        raise UserError(
            f"one process was started for {tasks} SLURM tasks", where="command line", do="start it with srun"
        )
    if tasks > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        raise UserError(
            "--ntasks without --ntasks-per-node", where="SLURM job", do=f"use --ntasks-per-node={tasks // nodes}"
        )


def job_id() -> str | None:
    """Return the id that `scontrol` knows this job by: ARRAY_TASK for one of an array; None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def requeue_from_rank_zero() -> None:
    """Put this job back into the queue, which also ends it; do nothing outside SLURM.

    The other ranks wait for their end: the first that left would take rank zero with it (`srun --kill-on-bad-exit`).
    """
    job = job_id()
    if job is None or not on_slurm():
        return
    if not is_zero():
        time.sleep(PATIENCE)
        return
    try:
        subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.strerror if isinstance(error, OSError) else " ".join(error.stderr.split())
        print(f"warning: the job is not requeued: scontrol: {said}", file=sys.stderr)
