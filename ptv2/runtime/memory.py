"""How much memory the process has needed at most."""

import resource
import sys

import torch


def peak_memory() -> dict[str, int | None]:
    """Return the peak of this process in bytes: `rss` in the machine's memory, `cuda` by torch's count, or None."""
    unit = 1 if sys.platform == "darwin" else 1024
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    cuda = torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None
    return {"rss": rss, "cuda": cuda}
