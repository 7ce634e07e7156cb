"""How fast a run trains and what memory it takes: rows/s, tokens/s, bytes."""

import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from ptv2.runtime.memory import peak_memory
from ptv2.runtime.ranks import summed
from ptv2.train.lightning_private import accumulates
from ptv2.train.loggers.jsonl import JsonlLogger


class Speed(Callback):
    """Log speed since the last line, of all ranks together, and the peak memory of rank zero so far.

    It goes to `speed.jsonl` and the board: what the clock says is no part of `metrics.jsonl`, which a resumed run
    writes again bit for bit. Validation does not count. The tokens are counted on the device and read at a line alone.
    `speed/padding` is the share of padding in what the backbone reads, `speed/data_wait` the share of the time in which
    rank zero waits for its next batch.

    Args:
        path: of the file.
        start: the first step that this process logs.
        log_every: optimizer steps between two lines.
    """

    def __init__(self, path: Path, start: int, log_every: int):
        self.file, self.log_every = JsonlLogger(path, start), log_every
        self.began, self.paused = 0.0, 0.0
        self.rows = self.tokens = self.read = 0
        self.ended, self.waited = 0.0, 0.0  # when the last batch had ended, and how long the next ones took to come

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.began, self.rows, self.tokens = time.monotonic(), 0, int(module.tokens_seen)
        self.ended = self.began

    def on_train_epoch_start(self, trainer: L.Trainer, module: Any) -> None:
        self.ended = time.monotonic()  # what happened since the last batch was no waiting for data

    def on_validation_start(self, trainer: L.Trainer, module: Any) -> None:
        self.paused = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        paused = time.monotonic() - self.paused
        self.began, self.ended = self.began + paused, self.ended + paused

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self.waited += time.monotonic() - self.ended
        self.read += sum(part["attention_mask"].numel() for part in batch.get("parts", [batch]))

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.rows += sum(module.row_counts.values())
        self.ended = time.monotonic()
        step = trainer.global_step
        if accumulates(trainer) or (step % self.log_every and step < trainer.estimated_stepping_batches):
            return
        seen, now = int(module.tokens_seen), time.monotonic()
        tokens, read = summed([seen - self.tokens, self.read], module.device)
        seconds = max(now - self.began, 1e-9)
        values = {"speed/rows_per_second": self.rows / seconds, "speed/tokens_per_second": tokens / seconds}
        values |= {"speed/padding": 1 - tokens / max(read, 1), "speed/data_wait": min(1.0, self.waited / seconds)}
        values |= {f"memory/{name}": float(size) for name, size in peak_memory().items() if size is not None}
        self.file.log_metrics(values, step)
        for logger in trainer.loggers:
            if not isinstance(logger, JsonlLogger):
                logger.log_metrics(values, step)
        self.began, self.rows, self.tokens, self.read, self.waited = now, 0, seen, 0, 0.0
