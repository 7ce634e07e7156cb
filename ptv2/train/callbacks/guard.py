"""Guards: a non-finite loss, predictions that name one class only, a step that hangs."""

import faulthandler
import json
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ptv2.errors import NonFinite
from ptv2.runtime.ranks import gather
from ptv2.train.callbacks.batch_gradient import loss_scale
from ptv2.train.callbacks.checkpoint import at_boundary

STACKS_SECONDS = 10.0  # that the watchdog waits for its own file


class FiniteGuard(Callback):
    """Check loss and gradients before every update: a non-finite one, on any rank, never reaches the weights.

    The rows of the step's batches are written to `nonfinite-<step>.json` in the run folder, one file per rank.

    Args:
        folder: the run folder.
        skips: how many updates are skipped before the run stops.
    """

    def __init__(self, folder: Path, skips: int):
        self.folder, self.skips = folder, skips
        self.skipped = 0
        self.rows: list[tuple[str, Tensor]] = []  # task and rows of the batches of this step, on their device
        self.losses: list[Tensor] = []  # on their device: they are looked at once all of the step is asked for

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if at_boundary(trainer, batch_idx):
            self.rows, self.losses = [], []
        parts = batch.get("parts", [batch])
        self.rows += [(part["task"], part["row"]) for part in parts]

    def on_before_backward(self, trainer: L.Trainer, module: L.LightningModule, loss: Tensor) -> None:
        self.losses.append(loss.detach())

    def on_before_optimizer_step(self, trainer: L.Trainer, module: L.LightningModule, optimizer: Any) -> None:
        # A scaler of fp16 skips updates with such gradients itself.
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        what = None
        if not torch.stack(self.losses).isfinite().all():
            what = "loss"
        elif not scaled and not _finite_gradients(optimizer):
            what = "gradient"
        if not trainer.strategy.reduce_boolean_decision(what is not None, all=False):
            return
        step, whats = trainer.global_step, gather(what)
        self._dump(trainer, what)
        # Where gradients are averaged, a non-finite loss on one rank makes all of them so: it is named first.
        rank = whats.index("loss") if "loss" in whats else whats.index("gradient")
        of = f" of rank {rank}" if len(whats) > 1 else ""
        problem = f"the {whats[rank]}{of} is non-finite; the rows are in {_dump_name(trainer, rank)}"
        self.skipped += 1
        if self.skipped > self.skips:
            before = f" ({self.skips} such updates were skipped before)" if self.skips else ""
            do = "lower optim.lr, look at the rows, or skip such updates with guard.on_nonfinite=skip:10"
            raise NonFinite(f"{problem}; the weights are those before it{before}", where=f"step {step}", do=do)
        warnings.warn(f"step {step}: {problem}; update skipped ({self.skipped} of {self.skips})", stacklevel=1)
        optimizer.zero_grad(set_to_none=True)  # parameters without a gradient stay as they are, and so do their moments

    def _dump(self, trainer: L.Trainer, what: str | None) -> None:
        path = self.folder / _dump_name(trainer, trainer.global_rank)
        whole = trainer.accumulate_grad_batches / loss_scale(trainer)  # Lightning divides each by the batches of a step
        losses = [str(float(loss) * whole) for loss in self.losses]
        batches = [{"task": task, "rows": rows.tolist()} for task, rows in self.rows]
        about = {"step": trainer.global_step, "what": what, "losses": losses, "batches": batches}
        path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    def state_dict(self) -> dict[str, int]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.skipped = state["skipped"]


class CollapseGuard(Callback):
    """Warn when a classifier predicts the same class for every validation row in two validations in a row.

    One such validation is common in the first steps. The warning comes again only after the collapse was over.
    """

    def __init__(self) -> None:
        self.times: dict[str, int] = {}

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        for task, data in module.tasks.items():
            if trainer.sanity_checking or not data.features.one_name or task not in module.outputs:
                continue
            named = set(module.predictions(task, "validation"))
            collapsed = len(named) == 1 and len(set(data.references("validation"))) > 1
            self.times[task] = self.times.get(task, 0) + 1 if collapsed else 0
            if self.times[task] == 2:
                config = module.config
                what = " and ".join(filter(None, [module.method.words, "the head"]))
                warnings.warn(
                    f"{task}: every validation row is predicted as '{named.pop()}' in the last two validations; "
                    f"method '{config.method_name}', which trains {what}, has collapsed to one class: try a lower or "
                    f"higher optim.lr (it is {config.optim.lr:g}), optim.warmup=0.1, or another seed",
                    stacklevel=1,
                )

    def state_dict(self) -> dict[str, dict[str, int]]:
        return {"times": self.times}

    def load_state_dict(self, state: dict[str, dict[str, int]]) -> None:
        self.times = state["times"]


class Watchdog(Callback):
    """End a run whose step takes longer than `timeout` seconds: a hanging file system or collective never returns.

    Where every thread stood is in `hang.txt` in the run folder. Loading a batch and one of validation are steps, too.
    """

    def __init__(self, folder: Path, timeout: float):
        self.folder, self.timeout = folder, timeout
        self.done = threading.Event()
        self.last = time.monotonic()

    def alive(self, *_: Any, **__: Any) -> None:
        self.last = time.monotonic()

    on_train_batch_start = on_train_batch_end = on_train_epoch_end = alive
    on_validation_batch_start = on_validation_batch_end = on_validation_end = alive

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.alive()
        threading.Thread(target=self._watch, args=(trainer,), name="watchdog", daemon=True).start()

    def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self.done.set()

    def on_exception(self, trainer: L.Trainer, module: L.LightningModule, exception: BaseException) -> None:
        self.done.set()

    def _watch(self, trainer: L.Trainer) -> None:
        while (left := self.last + self.timeout - time.monotonic()) > 0:
            if self.done.wait(left):
                return
        path = self.folder / "hang.txt"
        what = (
            f"no step was finished for {self.timeout:g} s (guard.step_timeout); the stacks of its threads are in {path}"
        )
        print(f"error: step {trainer.global_step}: {what}", file=sys.stderr, flush=True)
        # In a thread of its own: what hangs may be the file system of the run folder.
        writer = threading.Thread(target=_write_stacks, args=(path,), daemon=True)
        writer.start()
        writer.join(STACKS_SECONDS)
        os._exit(2)  # the thread that hangs cannot be asked


def _write_stacks(path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            faulthandler.dump_traceback(file, all_threads=True)
    except OSError as error:
        print(f"{path}: cannot be written ({error.strerror}); the stacks are:", file=sys.stderr, flush=True)
        faulthandler.dump_traceback(sys.stderr, all_threads=True)


def _dump_name(trainer: L.Trainer, rank: int) -> str:
    of = f"-rank{rank}" if trainer.world_size > 1 else ""
    return f"nonfinite-{trainer.global_step}{of}.json"


def _finite_gradients(optimizer: torch.optim.Optimizer) -> bool:
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norms = torch._foreach_norm(grads)  # pyright: ignore[reportPrivateImportUsage]
    return not grads or bool(torch.stack(norms).isfinite().all())
