"""The LightningModule: frozen backbone + prompt + a head per task."""

import math
from collections import defaultdict
from itertools import chain
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import INPUTS, Backbone, Prompts
from ptv2.config.schema import Config
from ptv2.data.mixture import own_seed
from ptv2.data.slices import LENT, own_rows
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.features import IGNORE
from ptv2.methods.table import METHODS
from ptv2.metrics.table import TEXT_FREE, goodness
from ptv2.model.head_start import initial_heads
from ptv2.model.loss import joint_counts, joint_losses, loss_weights
from ptv2.model.optim import make_optimizer, make_schedule
from ptv2.runtime.ranks import gather, is_zero, summed, world


class PromptModule(L.LightningModule):
    """Trains prompt and heads; scores whole splits.

    Args:
        config: the run's config.
        backbone: frozen, prompts can be installed.
        tasks: data of each task by name; gives label names and turns outputs into predictions.
    """

    def __init__(self, config: Config, backbone: Backbone, tasks: dict[str, TaskData]):
        super().__init__()
        self.config = config
        self.tasks = tasks
        self.backbone = backbone
        self.numbers = {name: number for number, name in enumerate(tasks)}
        self.prompt = METHODS[config.method](config, backbone)
        self.heads = nn.ModuleDict(
            {
                name: KINDS[data.card.kind].head(config.head, backbone, len(data.labels) if data.labels else 1)
                for name, data in tasks.items()
            }
        )
        for name, data in tasks.items():
            length = self.prompt.max_length if self.prompt is not None else 0
            backbone.check_length(data.features.longest(), length, where=f"tasks.{name}.max_length")
            if self.heads[name].reads == "logits":
                self.heads[name].settings = data.features.generation()
        if config.mixture.batches == "mixed" and len({head.reads for head in self.heads.values()}) > 1:
            what = "mixed batches cannot hold generating tasks and others: they read different things of the backbone"
            raise UserError(what, where="mixture.batches", do="use single")
        if config.head.init is not None:
            initial_heads(self.heads, config.head.init, tasks, config.head.pooling, backbone)
        self.loss_weights = loss_weights(config.mixture, tasks)
        self.losses: dict[str, Tensor] = {}  # of the tasks in the last training batch, on all ranks
        self.rows: dict[str, int] = {}  # theirs in it
        self.strict_loading = False  # the frozen backbone is in no checkpoint
        self.outputs: dict[str, dict[int, list[Any]]] = defaultdict(dict)  # task -> row -> decoded features
        self.validation_losses: list[tuple[str, float, int]] = []  # task, loss, rows of each batch
        self.tokens_seen = 0

    # -- forward -----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict[str, Any]) -> Tensor:
        """Logits of a batch of one task."""
        ((_, logits),) = self.read(batch)
        return logits

    def read(self, batch: dict[str, Any]) -> list[tuple[dict[str, Any], Tensor]]:
        """The parts of a batch, one per task in it, with their logits: all of them in one pass through the backbone."""
        parts = batch.get("parts", [batch])
        reads = self.heads[parts[0]["task"]].reads
        states = self.backbone(joined(parts, reads), self.prompts(batch), reads)
        split = states.split([len(part["input_ids"]) for part in parts])
        return [(part, self.heads[part["task"]](own)) for part, own in zip(parts, split, strict=True)]

    def prompts(self, batch: dict[str, Any]) -> Prompts:
        """What the backbone's sites get for this batch."""
        if self.prompt is None:
            return ()
        parts = [(self.numbers[part["task"]], len(part["input_ids"])) for part in batch.get("parts", [batch])]
        if len(parts) == 1:
            return self.prompt(parts[0][1], parts[0][0])
        tasks, counts = torch.tensor(parts, device=self.device).unbind(1)
        return self.prompt(sum(rows for _, rows in parts), tasks.repeat_interleave(counts))

    def training_step(self, batch: dict[str, Any], _index: int) -> Tensor:
        """The mean over the batch's rows of their task's weighted loss, itself a mean over the task's terms.

        The batch is that of all ranks. Each has a part of this mean, and DDP's average over ranks of their gradients,
        taken `world` times, is its gradient: a rank with more terms than others weighs more, one without any nothing.
        """
        read = self.read(batch)
        counts = {part["task"]: self.counts(part) for part, _ in read}
        terms, self.rows = joint_counts(counts, list(self.tasks), self.device)
        parts = {  # without a term the mean would be 0/0: that rank only takes part in the backward pass
            task: self.heads[task].loss(logits, part) * (own / terms[task]) if own else 0.0 * logits.clamp(-1, 1).sum()
            for part, logits in read
            for task, own in [(part["task"], counts[part["task"]][0])]
        }
        self.losses = joint_losses(parts, list(self.rows), self.device)
        weights = {task: self.loss_weights[task] * (rows / sum(self.rows.values())) for task, rows in self.rows.items()}
        self.tokens_seen += sum(int(part["attention_mask"].sum()) for part, _ in read)
        self.log("train/loss", sum(weights[t] * loss for t, loss in self.losses.items()), batch_size=1, prog_bar=True)
        return sum(weights[task] * part * world() for task, part in parts.items())

    def counts(self, part: dict[str, Any]) -> tuple[int, int]:
        """Terms of the loss and rows of a part; none for a row that is only lent, see `ptv2.data.shares`."""
        rows = own_rows(part)
        return (self.heads[part["task"]].terms(part) if rows else 0), rows

    def validation_step(self, batch: dict[str, Any], _index: int, dataloader_idx: int = 0) -> None:
        logits = self(batch)
        task = batch["task"]
        if "labels" in batch and (rows := own_rows(batch)):
            self.validation_losses.append((task, float(self.heads[task].loss(logits, batch)), rows))
        self.keep_outputs(batch, logits, self.validation_metrics(task))

    def on_validation_epoch_start(self) -> None:
        self.outputs.clear()
        self.validation_losses.clear()

    def on_validation_epoch_end(self) -> None:
        self.gather_outputs()
        values = self.mean_losses() if not self.trainer.sanity_checking else {}
        for task, data in self.tasks.items():
            if task in self.outputs and not self.trainer.sanity_checking:
                self.tune(task)
                main = data.card.metrics[0]
                scores = data.score("validation", self.outputs[task], self.validation_metrics(task))
                values |= {f"validation/{task}/{name}": value for name, value in scores.items()}
                values.setdefault("validation/score", 0.0)
                values["validation/score"] += goodness(main, scores[main]) / len(self.outputs)
        self.log_dict(values, prog_bar=False)

    def tune(self, task: str) -> None:
        """Let the task's kind choose on the validation rows what is not learned by gradient, e.g. a threshold."""
        head = self.heads[task]
        value = self.tasks[task].tune("validation", self.outputs[task])
        if value is not None:
            head.tuned.fill_(value)
            for output in chain.from_iterable(self.outputs[task].values()):
                output["tuned"] = head.tuned.item()  # they were decoded with the one before

    def validation_metrics(self, task: str) -> list[str]:
        """Metrics scored while training: those that need a generated text only where they choose the checkpoint."""
        metrics = self.tasks[task].card.metrics
        return metrics if metrics[0] not in TEXT_FREE else [metric for metric in metrics if metric in TEXT_FREE]

    def keep_outputs(self, batch: dict[str, Any], logits: Tensor, metrics: list[str]) -> None:
        """Decode a batch as far as `metrics` need it and file it by row, until the split is complete."""
        task, head = batch["task"], self.heads[batch["task"]]
        decoded = head.decode(logits, batch, self.tasks[task].label_names())
        if head.reads == "logits" and not set(metrics) <= TEXT_FREE:
            texts = head.generate(self.backbone, self.prompts(batch), batch)
            decoded = [output | {"text": text} for output, text in zip(decoded, texts, strict=True)]
        for row, output in zip(batch["row"].tolist(), decoded, strict=True):
            if row != LENT:
                self.outputs[task].setdefault(row, []).append(output)

    def gather_outputs(self) -> None:
        """Give every rank what all of them have kept, so that all score alike and choose the same checkpoint."""
        kept = gather(dict(self.outputs))
        for others in kept[: self.global_rank] + kept[self.global_rank + 1 :]:
            for task, rows in others.items():
                for row, outputs in rows.items():
                    self.outputs[task].setdefault(row, []).extend(outputs)

    def mean_losses(self) -> dict[str, float]:
        """The validation loss of each task: the mean of its batches on all ranks, by rows."""
        kept = [batch for batches in gather(self.validation_losses) for batch in batches]
        means = {}
        for task in dict.fromkeys(task for task, _, _ in kept):
            batches = [(loss, rows) for name, loss, rows in kept if name == task]
            rows = sum(rows for _, rows in batches)
            means[f"validation/{task}/loss"] = sum(loss * rows for loss, rows in batches) / rows
        return means

    def predictions(self, task: str, split: str) -> list[Any]:
        """One prediction per row of the split, in order, from the outputs kept."""
        data, outputs = self.tasks[task], self.outputs[task]
        rows = data.rows[split].data
        return [data.features.prediction(rows[i], outputs[i]) for i in range(len(rows))]

    def on_fit_start(self) -> None:
        if world() > 1:  # all ranks have drawn the same parameters; from here each draws a dropout of its own
            torch.manual_seed(own_seed(self.config.seed, f"rank {self.global_rank}"))

    # -- training ----------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> dict[str, Any]:
        adapted = self.prompt.parameters() if self.prompt is not None else self.backbone.parameters()
        optimizer = make_optimizer(self.config.optim, adapted, self.heads.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        self.trainer.fit_loop.setup_data()  # not yet done where steps end the run; the batches are counted by it
        per_epoch = math.ceil(self.trainer.num_training_batches / self.trainer.accumulate_grad_batches)
        schedule = make_schedule(optimizer, self.config.optim, steps, per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # -- what is kept ------------------------------------------------------------------------------------------------

    def kept_names(self) -> list[str]:
        """Names in the state dict that a checkpoint and an artifact hold: trained, or drawn at random."""
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        fresh = {f"backbone.model.{name}" for name in self.backbone.fresh}
        outside = {name for name in self.state_dict() if not name.startswith("backbone.")}
        return [name for name in self.state_dict() if name in trained | fresh | outside]

    def kept_state(self) -> dict[str, Tensor]:
        state = self.state_dict()
        return {name: state[name].detach() for name in self.kept_names()}

    def load_kept(self, state: dict[str, Tensor], where: str) -> None:
        """Load what `kept_state` gave.

        Raises:
            UserError: a tensor is missing, left over, or of another shape.
        """
        self.check_kept(state, where)
        self.load_state_dict(state, strict=False)

    def check_kept(self, state: dict[str, Tensor], where: str) -> None:
        """Refuse what `load_kept` cannot load."""
        own, do = self.state_dict(), "use the config it was made with"
        missing, extra = sorted(set(self.kept_names()) - set(state)), sorted(set(state) - set(self.kept_names()))
        if missing or extra:
            problem = f"{len(missing)} tensors missing, {len(extra)} unknown (first: {(missing + extra)[0]})"
            raise UserError(problem, where=where, do=do)
        for name, tensor in state.items():
            if tensor.shape != own[name].shape:
                problem = f"'{name}' is {tuple(tensor.shape)}, the model needs {tuple(own[name].shape)}"
                raise UserError(problem, where=where, do=do)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = set(self.kept_names())
        checkpoint["state_dict"] = {k: v for k, v in checkpoint["state_dict"].items() if k in kept}
        checkpoint["tokens_seen"] = int(summed([self.tokens_seen], self.device)[0])

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_kept(checkpoint["state_dict"], where="checkpoint")
        self.tokens_seen = checkpoint.get("tokens_seen", 0) if is_zero() else 0

    def parameter_counts(self) -> dict[str, dict[str, int]]:
        """Parameters by part: how many there are and how many train."""
        parts = {"backbone": self.backbone, "prompt": self.prompt, "heads": self.heads}
        return {
            name: {
                "total": sum(p.numel() for p in part.parameters()),
                "trainable": sum(p.numel() for p in part.parameters() if p.requires_grad),
            }
            for name, part in parts.items()
            if part is not None
        }


def joined(parts: list[dict[str, Any]], reads: str) -> dict[str, Any]:
    """What the backbone reads of the parts of a batch, as one batch; targets are among it for those that generate."""
    if len(parts) == 1:
        return parts[0]
    inputs = {key: torch.cat([part[key] for part in parts]) for key in INPUTS if key in parts[0]}
    if reads == "logits" and all("labels" in part for part in parts):
        width = max(part["labels"].shape[1] for part in parts)
        padded = [F.pad(part["labels"], (0, width - part["labels"].shape[1]), value=IGNORE) for part in parts]
        inputs["labels"] = torch.cat(padded)
    return inputs
