"""What other libraries say that a user can do nothing about: silenced here by name, and nowhere else.

Everything else they warn of is shown, and so is all that this package says.
"""

import logging
import os
import sys
import warnings

WARNINGS = {
    # Lightning, about what this package does on purpose
    "does not have many workers": "most runs lose by workers; speed/data_wait says where they would help",
    "Consider setting `persistent_workers=True`": "the same",
    "The number of training batches .* is smaller than the logging interval": "the last step is logged, too",
    "You defined a `validation_step` but have no `val_dataloader`": "a task may have no validation rows",
    "You're resuming from a checkpoint that ended before the epoch ended": "the batches continue where they were",
    "Be aware that when using `ckpt_path`, callbacks": "a run may be resumed with other callbacks",
    "It is recommended to use `self.log\\(.*sync_dist=True": "what is logged is the same on all ranks",
    "Found \\d+ module\\(s\\) in eval mode at the start of training": "the modes are those that the config asks for",
    "Starting from v1.9.0, `tensorboardX` has been removed": "TensorBoard is installed",
    "The `srun` command is available on your system": "`ptv2 slurm` submits jobs",
    # Lightning and torch, about each other
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated": "a call of Lightning's own",
    "Detected call of `lr_scheduler.step\\(\\)` before `optimizer.step\\(\\)`": "the guard skipped the first update",
    "find_unused_parameters=True was specified": "a step may train all tasks or one",
    "No device id is provided via `init_process_group`": "each rank has one device",
}
"""How each message begins, or a pattern of it -> why it is of no use here."""

LOGGERS = (
    "lightning.pytorch",
    "lightning.fabric",
    "lightning.pytorch.utilities.rank_zero",  # which devices there are, at each start
    "torchao",  # transformers imports it where it is installed, GPU or not
    "torch.utils._pytree",
    "alembic.runtime.migration",  # mlflow's tables
    "mlflow",
)
"""Loggers of which only errors are shown."""


def quiet() -> None:
    """Silence what is named above, and print a warning in one line; for commands, whose process is ours."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("WANDB_SILENT", "true")  # read when `wandb` is imported
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # read when `datasets` is imported
        if "datasets" in sys.modules:
            sys.modules["datasets"].disable_progress_bars()
    warnings.formatwarning = lambda message, *_, **__: f"warning: {' '.join(str(message).split())}\n"
    for message in WARNINGS:
        warnings.filterwarnings("ignore", message=f".*{message}")
