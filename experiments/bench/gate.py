"""The gate in a worker: its system runs as it always does and asks here before each step.

The gate lets it pass while a window is open. Once a window's steps are done it sends what they took and waits until it
is asked for the next, so that systems of several processes can take turns.
"""

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch.utils.data._utils.fetch import _MapDatasetFetcher

MASK = "attention_mask"


class Gate:
    """Open and close windows of `steps` steps each.

    Args:
        pipe: to the process that asks.
    """

    def __init__(self, pipe: Connection):
        self.pipe, self.steps = pipe, 0
        self.left: int | None = None
        self.more: dict[str, Any] = {}  # that a system adds to the window
        self.read = {"rows": 0, "tokens": 0, "padded": 0, "data": 0.0}
        self._watch_batches()

    def __call__(self) -> bool:
        """Wait here, before a step, until it may be taken; tell whether it is the first of a window."""
        if self.left:
            self.left -= 1
            if self.left:
                return False
            self.pipe.send(self._closed())
        elif self.left is None:
            self.pipe.send({"ready": self.steps})
        try:
            asked = self.pipe.recv()
        except EOFError:
            asked = False
        if not asked:
            os._exit(0)  # the system would go on for ever
        self.left = self.steps
        self.before = dict(self.read)
        self.more.clear()
        self.began = _clocks()
        return True

    def _closed(self) -> dict[str, Any]:
        seconds, cpu = (now - then for now, then in zip(_clocks(), self.began, strict=True))
        took = {name: count - self.before[name] for name, count in self.read.items()}
        return {"seconds": seconds, "cpu": cpu, "steps": self.steps} | took | memory() | self.more

    def _watch_batches(self) -> None:
        """Count the rows and tokens of every batch that a DataLoader makes, and the time it takes to make it."""
        fetch = _MapDatasetFetcher.fetch

        def watched(fetcher: Any, drawn: Any) -> Any:
            began = time.perf_counter()
            batch = fetch(fetcher, drawn)
            self.read["data"] += time.perf_counter() - began
            self.count(batch[MASK])
            return batch

        _MapDatasetFetcher.fetch = watched

    def count(self, mask_BT: torch.Tensor) -> None:
        """Count a batch."""
        self.read["rows"] += len(mask_BT)
        self.read["tokens"] += int(mask_BT.sum())
        self.read["padded"] += mask_BT.numel()


def _clocks() -> tuple[float, float]:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter(), time.process_time()


def memory() -> dict[str, int | None]:
    """Return the peaks so far, in bytes: of this process alone (`ru_maxrss` would count its parent), and of the GPU."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    peak = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)
    return {"memory": peak, "cuda": torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None}
