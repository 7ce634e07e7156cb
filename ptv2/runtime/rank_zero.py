"""Which process writes and prints."""

import os

from lightning_utilities.core.rank_zero import rank_zero_only

NAMES = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Where launchers say the rank, in the order in which Lightning asks for it."""


def is_zero() -> bool:
    """Tell whether this process is the one that writes; the environment says so before there is a process group."""
    rank = getattr(rank_zero_only, "rank", None)  # of Lightning, once it is imported
    return (int(next((os.environ[name] for name in NAMES if name in os.environ), "0")) if rank is None else rank) == 0
