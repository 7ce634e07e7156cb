"""`backbone.dtype: auto`: bfloat16 where this machine is faster in it, found by a short measurement.

Processors without instructions for bfloat16 compute it ten times slower than float32, and those with them, as GPUs,
several times faster: one pair of matrix products tells them apart.
"""

import time
from functools import cache

import torch

ROWS, WIDTH = 256, 768  # of the products: tokens of a small batch through a layer of a base model
TIMES = 5  # of each are taken, and the fastest counts
GAIN = 0.8  # bfloat16 has to take at most this share of float32's time: what is near costs precision for nothing


def chosen_dtype(accelerator: str = "auto") -> tuple[str, str]:
    """Return the dtype to compute in, and a line that says why.

    Args:
        accelerator: as in `trainer.accelerator`.
    """
    device = torch.accelerator.current_accelerator(check_available=True)
    name = device.type if device is not None and accelerator != "cpu" else "cpu"
    full, half = (product_seconds(dtype, name) for dtype in (torch.float32, torch.bfloat16))
    dtype = "bfloat16" if half <= GAIN * full else "float32"
    times = f"a matrix product takes {1e3 * full:.2g} ms in float32 and {1e3 * half:.2g} ms in bfloat16 on this {name}"
    return dtype, f"backbone.dtype is {dtype}: {times}"


@cache
def product_seconds(dtype: torch.dtype, device: str) -> float:
    """Measure a matrix product; once for a process, so that its runs agree."""
    states, weights = (torch.ones(size, WIDTH, device=device, dtype=dtype) for size in (ROWS, WIDTH))
    seconds = []
    with torch.no_grad():
        for _ in range(TIMES + 1):  # the first one prepares kernels
            _wait(device)
            began = time.perf_counter()
            _ = states @ weights
            _wait(device)
            seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def _wait(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize()
