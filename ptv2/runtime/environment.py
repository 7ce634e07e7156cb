"""Versions and hardware that a result depends on."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ptv2 import __version__

LIBRARIES = ("torch", "lightning", "transformers", "datasets", "torchmetrics")


def environment() -> dict[str, Any]:
    """Return the versions and the hardware that a result depends on."""
    return {
        "versions": {"ptv2": __version__, "python": platform.python_version()}
        | {name: version(name) for name in LIBRARIES},
        "git": _git_revision(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache  # that of the code which this process runs
def _git_revision() -> str | None:
    """Return the revision of the checkout that this package runs from, with `+` if changed; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):  # installed into somebody else's checkout
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
