"""The callback that shows on the board what `board.views` names, after some validations and at the end."""

from typing import Any, cast

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor

from ptv2.backbone.sites import evaluating
from ptv2.config.board import BoardConfig
from ptv2.train.board.answers import binned, confidences, confusion, curves, expected_error, reliability_of
from ptv2.train.board.attention import attention_mass
from ptv2.train.board.draw import Picture, heat_map
from ptv2.train.board.layers import gates_of, prompted
from ptv2.train.board.layout import layout
from ptv2.train.board.mistakes import mistakes
from ptv2.train.board.prompts import show_prompts
from ptv2.train.board.samples import samples
from ptv2.train.board.similarity import of_gradients, of_prompts
from ptv2.train.board.tensorboard import Board
from ptv2.train.board.words import nearest_words
from ptv2.train.callbacks.tasks import TaskCurves


class Views(Callback):
    """Draw the views at the first validation, every `board.every` after it, and at the last one.

    All ranks compute what needs the model, of which each may hold a part; rank zero draws. Nothing is drawn at random,
    so a run trains the same with and without.
    """

    def __init__(self, config: BoardConfig):
        self.config, self.views = config, set(config.views)
        self.validations = 0
        self.step: int | None = None  # of the last validation, where its answers are still to be drawn

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        board, method = _board(trainer), prompted(module)
        if board is not None and trainer.is_global_zero:
            metrics = {name: data.card.metrics for name, data in module.tasks.items()}
            cosines = len(metrics) > 1 and module.config.mixture.cosine_every > 0
            board.experiment.add_custom_scalars(layout(metrics, method is not None and "layers" in self.views, cosines))

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        if trainer.sanity_checking:
            return
        self.step = trainer.global_step
        if "answers" in self.views:
            self._log_calibration(trainer, module)
        if self.validations % self.config.every == 0 or trainer.global_step >= trainer.estimated_stepping_batches:
            self._draw(trainer, module)
        self.validations += 1

    def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
        self._draw(trainer, module, saved=True)
        board, method = _board(trainer), prompted(module)
        if "prompts" in self.views and board is not None and method is not None:
            with evaluating(module):
                words = {name: nearest_words(method, module.backbone, held) for name, held in method.sets().items()}
            if trainer.is_global_zero:
                show_prompts(board.experiment, method, words, trainer.global_step)

    def _draw(self, trainer: L.Trainer, module: Any, saved: bool = False) -> None:
        """Draw all views of the last validation, once; a step that is saved gets no more lines in the log."""
        board, step, self.step = _board(trainer), self.step, None
        if board is None or step is None:
            return
        now = trainer.global_step
        for task, data in module.tasks.items():
            if "validation" not in data.rows:
                continue
            with evaluating(module):
                if "attention" in self.views and prompted(module) is not None:
                    self._draw_attention([] if saved else trainer.loggers, board, module, task, now)
                if "samples" in self.views and module.head(task).reads == "logits":
                    board.experiment.add_text(f"samples/{task}", samples(module, task), now)
            if trainer.is_global_zero and task in module.outputs:
                self._draw_answers(board, module, task, step)
        if trainer.is_global_zero:
            self._draw_prompt(trainer, board, module, now)

    def _draw_attention(self, loggers: list[Logger], board: Board, module: Any, task: str, step: int) -> None:
        for place, shares_LH in attention_mass(module, task, self.config.rows).items():
            layers, heads = (list(map(str, range(n))) for n in shares_LH.shape)
            title = f"{task}: share of the attention on the prompt, {place}"
            picture = heat_map(shares_LH, layers, heads, title, ("layer", "head"))
            board.experiment.add_image(f"{task}/attention.{place}", picture, step, dataformats="HWC")
            means = {
                f"attention/{task}.{place}.{layer:02}": float(np.nanmean(shares_H))
                for layer, shares_H in enumerate(shares_LH)
                if not np.isnan(shares_H).all()
            }
            for logger in loggers:
                logger.log_metrics(means, step)

    def _draw_answers(self, board: Board, module: Any, task: str, step: int) -> None:
        data, outputs, writer = module.tasks[task], module.outputs[task], board.experiment
        if module.head(task).reads == "logits":  # texts are shown as samples
            return
        predictions, references = module.predictions(task, "validation"), data.references("validation")
        if "answers" in self.views:
            picture = confusion(data, predictions, references, f"{task}: gold and predicted labels")
            if picture is not None:
                writer.add_image(f"{task}/confusion", picture, step, dataformats="HWC")
            for name, (right, scores) in curves(data, outputs, references).items():
                writer.add_pr_curve(f"{task}/{name}", right, scores, step)
            if (sure := confidences(predictions, references, outputs)) is not None:
                writer.add_image(f"{task}/reliability", reliability_of(*sure, task), step, dataformats="HWC")
        if "mistakes" in self.views:
            writer.add_text(f"mistakes/{task}", mistakes(data, predictions, references, outputs), step)

    def _draw_prompt(self, trainer: L.Trainer, board: Board, module: Any, step: int) -> None:
        method = prompted(module)
        if method is None:
            return
        pictures = {}
        if "similarity" in self.views and len(module.tasks) > 1:
            pictures["similarity/prompts"] = of_prompts(method)
            for callback in cast(Any, trainer).callbacks:
                if isinstance(callback, TaskCurves):
                    pictures["similarity/gradients"] = of_gradients(callback.latest, list(module.tasks))
        if "layers" in self.views and (gates := gates_of(method)):
            pictures["gates/heads"] = drawn_gates(gates)
        for name, picture in pictures.items():
            if picture is not None:
                board.experiment.add_image(name, picture, step, dataformats="HWC")

    def _log_calibration(self, trainer: L.Trainer, module: Any) -> None:
        values = {}
        for task, data in module.tasks.items():
            if task not in module.outputs:
                continue
            predictions, references = module.predictions(task, "validation"), data.references("validation")
            if (sure := confidences(predictions, references, module.outputs[task])) is not None:
                values[f"calibration/{task}/ece"] = expected_error(binned(*sure))
        for logger in trainer.loggers if values else ():
            logger.log_metrics(values, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        return {"validations": self.validations, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.validations, self.step = state["validations"], state["step"]


def drawn_gates(gates: dict[str, Tensor]) -> Picture:
    """Draw the gate of each head; where tasks have their own, their mean."""
    rows = [gate.float().cpu().reshape(-1, gate.shape[-1]).mean(0).numpy() for gate in gates.values()]
    width = max(map(len, rows))
    gates_LH = np.array([np.pad(row, (0, width - len(row)), constant_values=np.nan) for row in rows])
    most = max(1.0, float(np.nanmax(np.abs(gates_LH))))
    heads = list(map(str, range(width)))
    return heat_map(gates_LH, list(gates), heads, "gate of each head", ("layer", "head"), (-most, most))


def _board(trainer: L.Trainer) -> Board | None:
    return next((logger for logger in trainer.loggers if isinstance(logger, Board)), None)
