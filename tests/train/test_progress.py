import sys
from pathlib import Path
from types import SimpleNamespace

import torch

from ptv2.train.callbacks import progress
from ptv2.train.callbacks.progress import PlainProgress, TerminalProgress, make_progress


def test_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    for terminal, kind in ((True, TerminalProgress), (False, PlainProgress)):
        monkeypatch.setattr(sys.stdout, "isatty", lambda terminal=terminal: terminal)
        assert isinstance(make_progress(10), kind)


def trainer(step, **metrics):
    values = {name.replace("__", "/"): torch.tensor(value) for name, value in metrics.items()}
    return SimpleNamespace(
        global_step=step,
        estimated_stepping_batches=7.0,
        current_epoch=0,
        max_epochs=2,
        sanity_checking=False,
        callback_metrics=values,
        progress_bar_metrics={"train/loss": 0.5, "v_num": "tensorboard"},
        loggers=[],
    )


def test_a_line_every_few_steps_and_at_the_end(capsys):
    lines = PlainProgress(log_every=3)
    lines.on_train_start(trainer(0), None)
    for step in (0, 1, 2, 3, 3, 4, 5, 6, 7):  # several batches may make one step
        lines.on_train_batch_end(trainer(step, train__loss=0.25), None)
    lines.on_validation_end(trainer(7, validation__score=0.5, train__loss=0.25), None)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said[:-1]] == ["3/7", "6/7", "7/7"]
    assert said[0].startswith("step 3/7  epoch 1  loss 0.2500  ")
    assert said[-1] == "validation/score 0.5000"


def test_the_bar_shows_the_score_and_counts_epochs_from_one():
    bar = TerminalProgress()
    bar._trainer = trainer(3, validation__score=0.5)
    assert bar.get_metrics(bar._trainer, None) == {"train/loss": 0.5, "validation/score": "0.5000"}
    assert bar._get_train_description(0).strip() == "Epoch 1/2"


def test_a_line_says_the_rate_and_the_time_left(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = PlainProgress(log_every=1)
    lines.on_train_start(trainer(2), None)  # resumed: earlier steps are no part of the rate
    for step in (3, 4, 7):
        now[0] += 10
        lines.on_train_batch_end(trainer(step, train__loss=0.25), None)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "step 3/7  epoch 1  loss 0.2500  10 s  0.1 steps/s, 40 s left"
    assert said[1] == "step 4/7  epoch 1  loss 0.2500  20 s  0.1 steps/s, 30 s left"
    assert said[2] == "step 7/7  epoch 1  loss 0.2500  30 s"


def test_a_resumed_run_says_from_where(capsys):
    made = trainer(3)
    made.is_global_zero = True
    progress.Resumed(Path("runs/a/checkpoints/step-00000003.ckpt")).on_train_start(made, None)
    assert capsys.readouterr().out == "resuming from step 3 of 7 (checkpoint runs/a/checkpoints/step-00000003.ckpt)\n"
