"""Say early whether a run learns, and at its end which steps no validation has seen."""

import math
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from ptv2.train.stuck import block, passed


class Learning(Callback):
    """Print once, at the first validation after a third of the steps, each task's score and that of its trivial answer.

    Where it is not passed, what to try follows. The last validation is left to the results, which say the same. A run
    may end behind it, as inside of an epoch: none of the steps since then can be the best.
    """

    def __init__(self) -> None:
        self.said = False
        self.validated: int | None = 0  # the step of the last validation; None: not known, of an older checkpoint

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        step, total = trainer.global_step, trainer.estimated_stepping_batches
        self.validated = step
        if trainer.sanity_checking or self.said or 3 * step < total < math.inf or step >= total:
            return
        self.said = True
        for task, data in module.tasks.items():
            metric = data.card.metrics[0]
            value = trainer.callback_metrics.get(f"validation/{task}/{metric}")
            if value is None or not trainer.is_global_zero:
                continue
            trivial = data.baseline_scores().get("validation", {}).get(metric)
            if trivial is None:
                continue
            said = f"{task} validation {metric} {float(value):.4f} after {step} steps, trivial answer {trivial:.4f}"
            learns = passed(metric, float(value), trivial)
            lines = [f"{said} ({data.features.trivial})"] if learns else block(module.config, data, said)
            print("\n".join(lines), flush=True)

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        has_rows = any("validation" in data.rows for data in module.tasks.values())
        if self.validated is None or not has_rows or not trainer.is_global_zero:
            return
        if (first := self.validated + 1) <= (last := trainer.global_step):
            steps = f"step {last} was" if first == last else f"steps {first} to {last} were"
            do = "end at a whole epoch, or change trainer.check_val_every_n_epoch or val_check_interval"
            print(f"{steps} not validated, as the run ended before its next validation: {do}", flush=True)

    def state_dict(self) -> dict[str, Any]:
        return {"said": self.said, "validated": self.validated}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.said, self.validated = state["said"], state.get("validated")
