"""The scalars of a step in the log."""

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from ptv2.train.lightning_private import is_logged


class Scalars(Callback):
    """Log what the module keeps of a step, where the step gets a line.

    Handed to Lightning at every step, each scalar would cost a part of a thousand of a short step to be thrown away.
    """

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: Any) -> None:
        if is_logged(trainer):
            for name, value in module.scalars.items():
                module.log(name, value, batch_size=1, prog_bar=name == "train/loss")
