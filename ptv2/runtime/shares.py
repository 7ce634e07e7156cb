"""What the processes that one command starts share: the threads of this machine, and its GPUs."""

import os


def threads_each(jobs: int) -> int:
    """Share out what OMP_NUM_THREADS gives to all of them together; without it, the processors of this process."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdigit() and int(asked):
        threads = int(asked)
    else:
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, threads // jobs)


def gpus() -> list[str]:
    """List what CUDA_VISIBLE_DEVICES may name, for a GPU per process; nothing where there is at most one."""
    import torch

    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = shown.split(",") if shown else [str(i) for i in range(torch.cuda.device_count())]
    return names if len(names) > 1 else []
