"""The LightningModule: frozen backbone + method + a head per task.

Shapes: B rows of a batch.
"""

import math
from typing import Any, cast

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from ptv2.backbone import INPUTS, KNOWN, PLACES, Backbone, Injection
from ptv2.config.schema import Config
from ptv2.data.mixture import own_seed
from ptv2.data.slices import counted_rows
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import kind_of
from ptv2.kinds.features import IGNORE
from ptv2.kinds.head import Head
from ptv2.kinds.seq2seq import Seq2SeqFeatures, Seq2SeqHead
from ptv2.methods import method_of
from ptv2.methods.base import Artifacts
from ptv2.metrics.table import METRICS, goodness
from ptv2.model.head_start import initial_heads
from ptv2.model.kept import check_kept, in_module, kept_names, on_disk
from ptv2.model.loss import batch_loss, loss_weights, mean_losses
from ptv2.model.optim import make_optimizer, make_schedule
from ptv2.model.outputs import Outputs
from ptv2.runtime.ranks import is_zero, summed, world


class PromptModule(L.LightningModule):
    """Trains method and heads; scores whole splits.

    Args:
        config: the run's config.
        backbone: frozen, prompts can be installed.
        tasks: data of each task by name; gives label names and turns outputs into predictions.
        artifacts: those that the config names, by path.
    """

    def __init__(
        self, config: Config, backbone: Backbone, tasks: dict[str, TaskData], artifacts: Artifacts | None = None
    ):
        super().__init__()
        self.config = config
        self.tasks = tasks
        self.backbone = backbone
        self.numbers = {name: number for number, name in enumerate(tasks)}
        self.method = method_of(config)(config, backbone, artifacts)
        self.method.learn_labels({name: data.label_names() for name, data in tasks.items()})
        self.heads = nn.ModuleDict(
            {
                name: kind_of(data.card).head(config.head, backbone, len(data.labels) if data.labels else 1)
                for name, data in tasks.items()
            }
        )
        for name, data in tasks.items():
            longest, where = data.features.longest(), f"tasks.{name}.max_length"
            backbone.check_length(longest, self.method.positions(), where=where)
            self.head(name).take(data.features)
            if self.head(name).reads == "logits":
                self.set_generation(name, data)
        if config.mixture.batches == "mixed" and len({self.head(name).reads for name in tasks}) > 1:
            what = "mixed batches cannot hold generating tasks and others: they read different outputs of the backbone"
            raise UserError(what, where="mixture.batches", do="use single")
        if self.method.copies > 1:
            check_votes(config, self.heads)
        if config.head.init is not None:
            initial_heads(self.heads, config.head, tasks, backbone, artifacts or {})
        self.task_weights = loss_weights(config.mixture, tasks)
        self.losses: dict[str, Tensor] = {}  # of the tasks in the last training batch, on all ranks
        self.row_counts: dict[str, int] = {}  # their rows in it
        self.scalars: dict[str, Tensor | float] = {}  # of this step, for the log
        self.strict_loading = False  # the frozen backbone is in no checkpoint
        self.outputs = Outputs()
        self.validation_losses: list[tuple[str, float, int]] = []  # task, loss, rows of each batch
        self.tokens_seen: Tensor | int = 0  # by this rank; a tensor of its device, which nothing waits for
        self.resumed = False
        self.rates: list[tuple[float, float]] = []  # learning rate and weight decay of each group of the optimizer

    def head(self, task: str) -> Head:
        """Return the head of a task."""
        return cast(Head, self.heads[task])

    def set_generation(self, task: str, data: TaskData) -> None:
        """Let a generating head write as the card of this data says."""
        head, features = cast(Seq2SeqHead, self.head(task)), cast(Seq2SeqFeatures, data.features)
        head.settings = features.generation()

    # -- forward -----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Return the logits of a batch of one task."""
        ((_, logits),) = self.read(batch)
        return logits

    def read(self, batch: dict[str, Any]) -> list[tuple[dict[str, Any], Tensor]]:
        """Return the parts of a batch, one per task, with their logits: all in one pass through the backbone."""
        vote = self.config.prompt.vote
        return [
            (part, members[0] if len(members) == 1 else self.head(part["task"]).joint(members, part, vote))
            for part, members in self.members(batch)
        ]

    def members(self, batch: dict[str, Any]) -> list[tuple[dict[str, Any], list[Tensor]]]:
        """Return the parts of a batch with the logits that each prompt of an ensemble gives them; else of the one."""
        parts, copies = batch.get("parts", [batch]), self.method.copies
        states = self.backbone(self.inputs(batch), self.prompts(batch), self.head(parts[0]["task"]).reads)
        split = states.split([len(part["input_ids"]) for part in parts] * copies)
        read = [self.heads[part["task"]](own) for part, own in zip(parts * copies, split, strict=True)]
        return [(part, read[i :: len(parts)]) for i, part in enumerate(parts)]

    def inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return what the backbone reads of a batch: all of it once for each prompt of an ensemble."""
        parts, copies = batch.get("parts", [batch]), self.method.copies
        inputs = joined(parts, self.head(parts[0]["task"]).reads)
        if copies == 1:
            return inputs
        return {key: torch.cat([inputs[key]] * copies) for key in (*INPUTS, *PLACES) if key in inputs}

    def prompts(self, batch: dict[str, Any]) -> Injection:
        """Return what the backbone's sites get for this batch."""
        parts = [(self.numbers[part["task"]], len(part["input_ids"])) for part in batch.get("parts", [batch])]
        if len(parts) == 1:
            return self.method(parts[0][1], parts[0][0])
        tasks, counts = torch.tensor(parts, device=self.device).unbind(1)
        return self.method(sum(count for _, count in parts), tasks.repeat_interleave(counts))

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

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """Return this rank's part of the batch's loss, see `ptv2.model.loss`."""
        read = self.members(batch)
        loss = batch_loss(read, self.heads, self.task_weights, self.device)
        self.losses, self.row_counts = loss.losses, loss.row_counts
        self.tokens_seen = self.tokens_seen + sum(part["attention_mask"].sum() for part, _ in read)
        self.scalars["train/loss"] = loss.mean
        return loss.part

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep the norm of the gradient before it is clipped."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
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
        rows = counted_rows(batch) if "labels" in batch else 0
        if rows and self.head(task).terms(batch):  # without a term its mean would be 0/0
            self.validation_losses.append((task, float(self.head(task).loss(logits, batch)), rows))
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

    def keep_outputs(self, batch: dict[str, Any], logits: Tensor, metrics: list[str]) -> None:
        """Decode a batch as far as `metrics` need it and keep it by row, until the split is complete."""
        task, head = batch["task"], self.head(batch["task"])
        decoded = head.decode(logits, batch, self.tasks[task].label_names())
        asked = "labels" not in batch  # rows to be answered, whatever the card's metrics need
        if head.reads == "logits" and (asked or any(METRICS[metric].needs_text for metric in metrics)):
            texts = cast(Seq2SeqHead, head).generate(self.backbone, self.prompts(batch), batch)
            decoded = [output | {"text": text} for output, text in zip(decoded, texts, strict=True)]
        self.outputs.keep(task, batch["row"].tolist(), decoded)

    def predictions(self, task: str, split: str) -> list[Any]:
        """Return one prediction per row of the split, in order, from the outputs kept."""
        data, outputs = self.tasks[task], self.outputs[task]
        rows = data.rows[split].data
        return [data.features.prediction(rows[i], outputs[i]) for i in range(len(rows))]

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

    def parameter_counts(self) -> dict[str, dict[str, int]]:
        """Count parameters by part: how many there are and how many train."""
        parts: dict[str, nn.Module] = {"backbone": self.backbone, "heads": self.heads}
        if next(self.method.parameters(), None) is not None:
            parts = {"backbone": self.backbone, "prompt" if self.method.has_prompts else "method": self.method} | parts
        return {
            name: {
                "total": sum(p.numel() for p in part.parameters()) + getattr(part, "packed", 0),
                "trainable": sum(p.numel() for p in part.parameters() if p.requires_grad),
            }
            for name, part in parts.items()
        }


def check_votes(config: Config, heads: nn.ModuleDict) -> None:
    """Refuse an ensemble of prompts for tasks whose answers cannot be joined.

    Raises:
        UserError: names the first of them.
    """
    for name, head in heads.items():
        kind, votes = config.tasks[name].kind, cast(Head, head).votes
        if not votes:
            what = f"task '{name}' is of kind '{kind}', whose answers are not joined: they are texts or places in one"
            raise UserError(what, where="prompt.ensemble", do="set it to 1")
        if config.prompt.vote not in votes:
            what = f"task '{name}' is of kind '{kind}', whose answers are numbers: no two are the same"
            raise UserError(what, where="prompt.vote", do=f"use {votes[0]}")


def joined(parts: list[dict[str, Any]], reads: str) -> dict[str, Any]:
    """Join what the backbone reads of the parts of a batch; targets are among it for those that generate."""
    if len(parts) == 1:
        return parts[0]
    inputs = {key: torch.cat([part[key] for part in parts]) for key in (*INPUTS, *PLACES, KNOWN) if key in parts[0]}
    if reads == "logits" and all("labels" in part for part in parts):
        width = max(part["labels"].shape[1] for part in parts)
        padded = [F.pad(part["labels"], (0, width - part["labels"].shape[1]), value=IGNORE) for part in parts]
        inputs["labels"] = torch.cat(padded)
    return inputs
