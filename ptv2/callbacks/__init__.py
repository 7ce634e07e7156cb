"""What happens beside the training loop: checkpoints, signals, guards, progress, logs, samples, curves per task."""

from ptv2.callbacks.checkpoint import Checkpoints
from ptv2.callbacks.guard import CollapseGuard, FiniteGuard, Watchdog
from ptv2.callbacks.jsonl import JsonlLogger
from ptv2.callbacks.progress import PlainProgress, make_progress
from ptv2.callbacks.samples import Samples
from ptv2.callbacks.signals import Signals, on_stop
from ptv2.callbacks.tasks import TaskCurves

__all__ = [
    "Checkpoints", "CollapseGuard", "FiniteGuard", "JsonlLogger", "PlainProgress", "Samples", "Signals", "TaskCurves",
    "Watchdog", "make_progress", "on_stop",
]  # fmt: skip
