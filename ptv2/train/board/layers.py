"""Curves of each layer's prompt: its norm, how far it is from where it started, and the norm of its gradient."""

from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ptv2.methods.vectors import VectorMethod


class LayerCurves(Callback):
    """Log at each validation, per layer, `layers/norm/...`, `layers/moved/...` and `layers/grad_norm/...`.

    Norms are Frobenius norms of the layer's matrix [P, F], so all three are in the same unit. The gradient is that of
    the last step, before it is clipped; there is none where something makes the matrix of other numbers (a projection).
    A gate's mean over the heads is `layers/gate/...`.
    """

    def __init__(self) -> None:
        self.start: dict[str, list[Tensor]] = {}  # the matrices before the first step: a checkpoint holds them
        self.gradients: dict[str, list[Tensor]] = {}

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        method = prompted(module)
        if method is not None and not self.start:
            self.start = {name: [m.float().cpu() for m in held] for name, held in method.sets().items()}

    def on_before_optimizer_step(self, trainer: L.Trainer, module: Any, optimizer: Any) -> None:
        method = prompted(module)
        for name, held in method.trained_sets().items() if method is not None else ():
            gradients = [parameter.grad for parameter in held if parameter.grad is not None]
            if len(gradients) == len(held):  # a task without a batch in this step has none
                norms = torch._foreach_norm(gradients)  # pyright: ignore[reportPrivateImportUsage]
                self.gradients[name] = [norm * module.step_scale for norm in norms]

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        method = prompted(module)
        if trainer.sanity_checking or method is None:
            return
        values = self._values(method)
        for logger in trainer.loggers:
            logger.log_metrics(values, trainer.global_step)

    @torch.no_grad()
    def _values(self, method: VectorMethod) -> dict[str, float]:
        layers, values = method.names(), {}
        for task, held in method.sets().items():
            of = f"{task}." if task else ""
            start = self.start.get(task, held)
            for layer, now, before in zip(layers, held, start, strict=True):
                values[f"layers/norm/{of}{layer}"] = float(now.norm())
                values[f"layers/moved/{of}{layer}"] = float((now.float().cpu() - before).norm())
            for layer, gradient in zip(layers, self.gradients.get(task, []), strict=False):
                values[f"layers/grad_norm/{of}{layer}"] = float(gradient)
        for layer, gate in gates_of(method).items():
            values[f"layers/gate/{layer}"] = float(gate.mean())
        return values

    def state_dict(self) -> dict[str, Any]:
        return {"start": self.start, "gradients": self.gradients}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.start, self.gradients = state["start"], state.get("gradients", {})


def prompted(module: Any) -> VectorMethod | None:
    """Return the method of a module that has prompt vectors: itself, or one of a union."""
    return cast("VectorMethod | None", module.method.prompted)


def gates_of(method: VectorMethod) -> dict[str, Tensor]:
    """Return the gates by layer: [H], or [N, H] where N tasks have their own."""
    gates = getattr(method, "gates", None)
    slots = getattr(method, "slots", [])
    if gates is None:
        return {}
    return {f"{slot.site.place}.{slot.site.layer:02}": gate.detach() for slot, gate in zip(slots, gates, strict=True)}
