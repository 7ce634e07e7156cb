"""When checkpoints are written, what they hold, and which of them are kept."""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from ptv2.errors import Broken, UserError
from ptv2.model.module import PromptModule
from ptv2.runtime import randomness
from ptv2.runtime.ranks import is_zero, wait
from ptv2.train import checkpoint_file as files
from ptv2.train.lightning_private import dump_checkpoint, logged_batches, position, set_logged_batches, set_position


def check_validates_between_steps(trainer: L.Trainer) -> None:
    """Refuse validations inside of an accumulated step: what they score cannot be saved before the step is whole.

    Raises:
        UserError: an interval of batches or of time that would come to lie there.
    """
    each, every, batches = trainer.accumulate_grad_batches, trainer.val_check_batch, trainer.num_training_batches
    if each == 1:
        return
    timed = getattr(trainer, "_val_check_time_interval", None) is not None
    across = trainer.check_val_every_n_epoch is None and batches % each  # it counts on where a shorter step ended
    if not timed and every is not None and (math.isinf(every) or every % batches == 0 or not (every % each or across)):
        return
    at = "a time" if timed else f"every {every} batches"
    of = f", an epoch {batches}" if across else ""
    what = f"validates inside of a step: {at}, while a step has {each} batches{of}"
    do = f"give a multiple of {each} batches, or 1.0 (an epoch)"
    raise UserError(what, where="trainer.val_check_interval", do=do)


class Checkpoints(Checkpoint):
    """Save after every epoch, every `save_every` steps, and after a validation that is the best so far.

    All of it happens at a boundary: before a batch that begins a step, or at an epoch's end. Then a step is whole, with
    its validation and its line in the log, and a run that resumes from there does and writes what it would have.

    Args:
        folder: of the checkpoints.
        validated: whether there is a `validation/score`; without one the last epoch is the best.
        fingerprints: of the rows by task and split, see `Start.check_data`.
        keep_last: how many are kept, beside those that were the best when they were written.
        save_every: optimizer steps; None: epochs alone.
        source: the folder of the checkpoint that the run resumes from, which may be another run's.
    """

    def __init__(
        self,
        folder: Path,
        validated: bool,
        fingerprints: dict[str, dict[str, str]],
        keep_last: int,
        save_every: int | None,
        source: Path | None = None,
    ):
        self.source = source
        self.folder, self.validated, self.fingerprints = folder, validated, fingerprints
        self.keep_last, self.save_every = keep_last, save_every
        self.best_step: int | None = None
        self.best_score = math.nan
        self.new_best = False
        self.kept: list[list[int]] = []  # step of each of the last checkpoints, and of the best one at that time
        self.saved: int | None = None  # the step last saved, or resumed from
        self.resumed: dict[str, Any] | None = None  # what is restored right before the first batch
        self.before = 0.0  # seconds of earlier sessions
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the run has taken, in all its sessions up to their last checkpoints."""
        return self.before + time.monotonic() - self.began

    @property
    def best(self) -> Path | None:
        """The best checkpoint; None before the first."""
        return None if self.best_step is None else self.folder / files.name(self.best_step)

    # -- when --------------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if self.validated:
            check_validates_between_steps(trainer)
        trained = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
        with same_error(trainer):
            if trainer.is_global_zero:  # weights and two moments; those kept, the best, and the one being written
                files.check_room(self.folder, 3 * trained * (self.keep_last + 2))

    def on_train_batch_start(self, trainer: L.Trainer, module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if self.resumed is not None:
            self._put_back(trainer, self.resumed)
        if not at_boundary(trainer, batch_idx):
            return
        step = trainer.global_step
        if self.new_best or (self.save_every and step > 0 and step % self.save_every == 0):
            self.save(trainer)

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        score = trainer.callback_metrics.get("validation/score")
        if trainer.sanity_checking or score is None:
            return
        # Of equal scores the later: small validation sets tie often, and the first of them is the least trained.
        if self.best_step is None or math.isnan(self.best_score) or float(score) >= self.best_score:
            self.best_step, self.best_score, self.new_best = trainer.global_step, float(score), True

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if not self.validated:
            self.best_step, self.new_best = trainer.global_step, True
        self.save(trainer)

    def save(self, trainer: L.Trainer) -> None:
        """Save this step, on all ranks, unless it is saved already.

        Raises:
            Broken: on every rank, where it cannot be written.
        """
        step, new_best, self.new_best = trainer.global_step, self.new_best, False
        if step == self.saved:
            return
        for logger in trainer.loggers:
            logger.save()  # a step that is saved is not logged again
        best = step if self.best_step is None else self.best_step
        self.kept = [*(pair for pair in self.kept if pair[0] < step), [step, best]][-self.keep_last :]
        path = self.folder / files.name(step)
        content = dump_checkpoint(trainer)
        with same_error(trainer):  # as Trainer.save_checkpoint, where the other ranks would wait at a barrier
            trainer.strategy.save_checkpoint(content, path)
            if trainer.is_global_zero:
                self._keep(path, new_best)
        self.saved = step

    def tidy(self, trainer: L.Trainer) -> None:
        """Finish at the run's end, on all ranks, a save that was killed in the middle, if no other came after it.

        Raises:
            Broken: on every rank, where it cannot be done.
        """
        with same_error(trainer):
            if trainer.is_global_zero:
                if self.kept:
                    self._keep(self.folder / files.name(self.kept[-1][0]), best=self.best_step is not None)
                files.sweep(self.folder)

    def _keep(self, path: Path, best: bool) -> None:
        """Point last.ckpt to it, on demand best.ckpt to the best, and remove what none of the last ones needs."""
        files.link(path, self.folder / "last.ckpt")
        if best:
            assert self.best is not None
            files.link(self.best, self.folder / "best.ckpt")
        needed = {step for pair in self.kept for step in pair}
        for step, old in files.by_step(self.folder).items():
            if step not in needed and step < self.kept[-1][0]:
                files.remove(old)

    # -- what --------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        score = {} if self.best_step is None else {"best_step": self.best_step, "best_score": self.best_score}
        return {"seconds": self.seconds, "kept": self.kept} | score

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before, self.began = state["seconds"], time.monotonic()
        if "best_step" in state:
            self._bring(files.name(state["best_step"]))
        here = files.by_step(self.folder)
        self.kept = [pair for pair in state["kept"] if pair[0] in here]
        if "best_step" in state:
            try:
                files.read(self.folder / files.name(state["best_step"]))
            except UserError as error:  # damaged, or left behind in the run whose checkpoint began this one
                warnings.warn(
                    f"the best checkpoint cannot be used, so the best is chosen among later steps: {error}",
                    stacklevel=1,
                )
            else:
                self.best_step, self.best_score = state["best_step"], state["best_score"]

    def _bring(self, name: str) -> None:
        """Copy the best checkpoint of the run whose checkpoint begins this one, as it may stay the best."""
        if self.source is None or self.source.resolve() == self.folder.resolve():
            return
        if is_zero() and (self.source / name).is_file() and not (self.folder / name).is_file():
            with suppress(UserError):  # a damaged one is named where the best is looked for
                files.write(files.read(self.source / name), self.folder / name)
        wait()

    def on_save_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        data: Any = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue] - set by fit()
        checkpoint["format"] = files.FORMAT
        checkpoint["data"] = self.fingerprints
        checkpoint["backbone"] = cast(PromptModule, module).backbone.fingerprint
        checkpoint["draw"] = data.drawn(trainer.world_size)
        checkpoint["random"] = randomness.of_all_ranks()
        checkpoint["logged"] = logged_batches(trainer)
        set_position(checkpoint["loops"]["fit_loop"], *position(trainer))

    def on_load_checkpoint(self, trainer: L.Trainer, module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.saved, self.resumed = checkpoint["global_step"], checkpoint

    def _put_back(self, trainer: L.Trainer, resumed: dict[str, Any]) -> None:
        randomness.put_back(resumed["random"], trainer.global_rank, trainer.world_size)
        set_logged_batches(trainer, resumed["logged"])
        self.resumed = None


@contextmanager
def same_error(trainer: L.Trainer) -> Iterator[None]:
    """Raise on every rank what rank zero cannot write, so that none waits for one that has ended.

    Raises:
        Broken: on every rank, with the first rank's error.
    """
    problem = None
    try:
        yield
    except UserError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: cannot be written ({error.strerror})"
    if problem := trainer.strategy.broadcast(problem):
        raise Broken(problem)


def at_boundary(trainer: L.Trainer, batch_idx: int) -> bool:
    """Tell whether a batch that starts is the first of an optimizer step."""
    return batch_idx % trainer.accumulate_grad_batches == 0
