"""What happens beside the training loop: checkpoints, progress, logs, samples, curves per task."""

from ptv2.callbacks.checkpoint import BestCheckpoint, LastCheckpoint
from ptv2.callbacks.jsonl import JsonlLogger
from ptv2.callbacks.progress import PlainProgress, make_progress
from ptv2.callbacks.samples import Samples
from ptv2.callbacks.tasks import TaskCurves

__all__ = ["BestCheckpoint", "JsonlLogger", "LastCheckpoint", "PlainProgress", "Samples", "TaskCurves", "make_progress"]
