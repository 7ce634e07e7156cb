"""Other libraries' warnings are silenced by name, and no others."""

import logging
import warnings

import pytest

from ptv2.runtime.quiet import LOGGERS, WARNINGS, quiet


@pytest.fixture
def quietly(monkeypatch):
    """What is warned of behind `quiet`, whose settings end with the test."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in ("TOKENIZERS_PARALLELISM", "HF_HUB_DISABLE_PROGRESS_BARS", "WANDB_SILENT"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quiet()
        yield seen
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


SAID = [
    "The 'train_dataloader' does not have many workers which may be a bottleneck. Consider increasing the value",
    "The number of training batches (6) is smaller than the logging interval Trainer(log_every_n_steps=10). Set",
    "`isinstance(treespec, LeafSpec)` is deprecated, use `isinstance(treespec, TreeSpec) and treespec.is_leaf()`",
    "You're resuming from a checkpoint that ended before the epoch ended and your dataloader is not resumable.",
    "It is recommended to use `self.log('validation/loss', ..., sync_dist=True)` when logging on epoch level",
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later",
]


@pytest.mark.parametrize("message", SAID)
def test_a_message_that_is_named_is_not_shown(message, quietly):
    warnings.warn(message, UserWarning, stacklevel=1)
    assert not quietly


@pytest.mark.parametrize(
    "message",
    [
        "3 bad train rows skipped (the first: lightning.jsonl:3: no label)",
        "GPU available but not used. You can set it by doing `Trainer(accelerator='gpu')`.",
        "the best checkpoint cannot be used, so the best is chosen among later steps",
    ],
)
def test_ours_and_what_a_user_can_change_are_shown(message, quietly):
    warnings.warn(message, UserWarning, stacklevel=1)
    assert [str(one.message) for one in quietly] == [message]


def test_every_name_says_why():
    assert all(why for why in WARNINGS.values())
