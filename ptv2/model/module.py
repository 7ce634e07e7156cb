"""The LightningModule: trains what joins backbone, method and heads.

Shapes: B rows of a batch.
"""

import math
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.data.mixture import own_seed
from ptv2.data.taskdata import TaskData
from ptv2.methods.base import Artifacts
from ptv2.metrics.table import METRICS, goodness
from ptv2.model.kept import check_kept, in_module, kept_names, on_disk
from ptv2.model.loss import batch_loss, loss_weights, mean_losses
from ptv2.model.optim import make_optimizer, make_schedule
from ptv2.model.prompted import PromptedModel
from ptv2.runtime.ranks import is_zero, summed, world


class PromptModule(PromptedModel, L.LightningModule):
    """Trains method and heads; scores whole splits. Its arguments are those of `PromptedModel`."""

    def __init__(
        self, config: Config, backbone: Backbone, tasks: dict[str, TaskData], artifacts: Artifacts | None = None
    ):
        super().__init__(config, backbone, tasks, artifacts)
        self.task_weights = loss_weights(config.mixture, tasks)
        self.losses: dict[str, Tensor] = {}  # of the tasks in the last training batch, on all ranks
        self.row_counts: dict[str, int] = {}  # their rows in it
        self.scalars: dict[str, Tensor | float] = {}  # of this step, for the log
        self.strict_loading = False  # the frozen backbone is in no checkpoint
        self.validation_losses: list[tuple[str, float, int]] = []  # task, loss, terms of each batch
        self.tokens_seen: Tensor | int = 0  # by this rank; a tensor of its device, which nothing waits for
        self.step_losses: list[Tensor] = []  # of the batches of an optimizer step so far
        self.resumed = False
        self.rates: list[tuple[float, float]] = []  # learning rate and weight decay of each group of the optimizer

    # -- training ----------------------------------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        if world() > 1:  # all ranks have drawn the same parameters; from here each draws its own dropout
            torch.manual_seed(own_seed(self.config.seed, f"rank {self.global_rank}"))

    def on_train_start(self) -> None:
        if self.resumed:
            self.apply_rates()

    def apply_rates(self) -> None:
        """Put the config's learning rates and weight decay in the place of those that a checkpoint brought."""
        optimizer, (scheduled,) = self.trainer.optimizers[0], self.trainer.lr_scheduler_configs
        scheduler = cast(LambdaLR, scheduled.scheduler)  # see make_schedule
        scheduler.base_lrs = [base for base, _ in self.rates]
        for group, (base, decay), factor in zip(optimizer.param_groups, self.rates, scheduler.lr_lambdas, strict=True):
            group.update(initial_lr=base, lr=base * factor(scheduler.last_epoch), weight_decay=decay)

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        self.scalars = {"train/lr": self.trainer.optimizers[0].param_groups[0]["lr"]}
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self.step_losses = []

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """Return this rank's part of the batch's loss, see `ptv2.model.loss`."""
        read = self.members(batch)
        loss = batch_loss(read, self.heads, self.task_weights, self.device)
        self.losses, self.row_counts = loss.losses, loss.row_counts
        self.tokens_seen = self.tokens_seen + sum(part["attention_mask"].sum() for part, _ in read)
        self.step_losses.append(loss.mean)
        self.scalars["train/loss"] = loss.mean if len(self.step_losses) == 1 else torch.stack(self.step_losses).mean()
        return loss.part

    @property
    def step_scale(self) -> float:
        """What a gradient is to be multiplied by to be the mean over the step's batches.

        Lightning divides by `accumulate_grad_batches`, also in an epoch's last step, which may have fewer batches.
        """
        batches = len(self.step_losses)
        return self.trainer.accumulate_grad_batches / batches if batches else 1.0

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the gradient the mean over the step's batches, and keep its norm before it is clipped."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if self.step_scale != 1:
            for gradient in gradients:
                gradient.mul_(self.step_scale)
        if gradients:  # a non-finite one was taken away
            self.scalars["train/grad_norm"] = torch.nn.utils.get_total_norm(gradients)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = make_optimizer(self.config.optim, self.method.trained(), self.heads.parameters())
        self.rates = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
        steps = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # not yet done where steps end the run; the batches are counted by it
        per_epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        schedule = make_schedule(optimizer, self.config.optim, steps, per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # -- validation --------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        self.outputs.clear()
        self.validation_losses.clear()

    def validation_step(self, batch: dict[str, Any], _index: int, dataloader_idx: int = 0) -> None:
        logits = self(batch)
        task = batch["task"]
        if "labels" in batch and batch["counted"] and (terms := self.head(task).terms(batch)):  # else it is 0/0
            self.validation_losses.append((task, float(self.head(task).loss(logits, batch)), terms))
        self.keep_outputs(batch, logits, self.validation_metrics(task))

    def on_validation_epoch_end(self) -> None:
        self.outputs.gather(self.global_rank)
        if self.trainer.sanity_checking:
            return
        values = {f"validation/{task}/loss": loss for task, loss in mean_losses(self.validation_losses).items()}
        for task, data in self.tasks.items():
            if task in self.outputs:
                self.tune(task)
                main = data.card.metrics[0]
                scores = data.score("validation", self.outputs[task], self.validation_metrics(task))
                values |= {f"validation/{task}/{name}": value for name, value in scores.items()}
                values.setdefault("validation/score", 0.0)
                values["validation/score"] += goodness(main, scores[main]) / len(self.outputs)
        self.log_dict(values, prog_bar=False)

    def tune(self, task: str) -> None:
        """Let the task's kind choose on the validation rows what is not learned by gradient, e.g. a threshold."""
        value = self.tasks[task].tune("validation", self.outputs[task])
        if value is not None:
            tuned = cast(Tensor, self.head(task).tuned)  # a buffer of the heads whose kind tunes
            tuned.fill_(value)
            self.outputs.set_tuned(task, tuned.item())

    def validation_metrics(self, task: str) -> list[str]:
        """List the metrics scored in training: those of generated text only where one chooses the checkpoint."""
        metrics = self.tasks[task].card.metrics
        return metrics if METRICS[metrics[0]].needs_text else [m for m in metrics if not METRICS[m].needs_text]

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = set(kept_names(self))
        checkpoint["state_dict"] = {on_disk(k): v for k, v in checkpoint["state_dict"].items() if k in kept}
        checkpoint["tokens_seen"] = int(summed([int(self.tokens_seen)], self.device)[0])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_kept(self, checkpoint["state_dict"], where="checkpoint")
        checkpoint["state_dict"] = {in_module(name): tensor for name, tensor in checkpoint["state_dict"].items()}
        self.tokens_seen = checkpoint.get("tokens_seen", 0) if is_zero() else 0
        self.resumed = True
