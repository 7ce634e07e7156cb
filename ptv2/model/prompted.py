"""Backbone, method and a head per task, joined: what answers rows. Training them is the LightningModule's part.

Shapes: B rows of a batch.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.backbone import INPUTS, KNOWN, PLACES, Backbone, Injection
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import kind_of
from ptv2.kinds.features import IGNORE
from ptv2.kinds.head import Head
from ptv2.kinds.seq2seq import Seq2SeqFeatures, Seq2SeqHead
from ptv2.methods import method_of
from ptv2.methods.base import Artifacts
from ptv2.metrics.table import METRICS
from ptv2.model.head_start import initial_heads
from ptv2.model.outputs import Outputs


class PromptedModel(nn.Module):
    """Reads batches of one task or of several, and decodes what their heads make of them.

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
        self.outputs = Outputs()

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
        head = self.head(parts[0]["task"])
        states = self.backbone(self.inputs(batch), self.prompts(batch), head.asks or head.reads)
        split = states.split([len(part["input_ids"]) for part in parts] * copies)
        with torch.autocast(states.mask_BT.device.type, enabled=False):  # trainer.precision is the backbone's
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
        tasks, counts = torch.tensor(parts, device=self.backbone.device).unbind(1)
        return self.method(sum(count for _, count in parts), tasks.repeat_interleave(counts))

    # -- outputs -----------------------------------------------------------------------------------------------------

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
