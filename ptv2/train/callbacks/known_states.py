"""States that the frozen backbone need not compute again, made before the first step."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from ptv2.model.state_cache import StateCache


class KnownStates(Callback):
    """Fill the frozen-state cache when the module is on its device; ranks share the work."""

    def __init__(self, states: StateCache):
        self.states = states

    def on_fit_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        precision = trainer.strategy.precision_plugin.forward_context()
        self.states.fill(trainer.global_rank, trainer.world_size, precision)
