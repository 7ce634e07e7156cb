"""Loss curves beside transformers' Trainer: the same tiny BERT, start, batches and AdamW for 50 steps.

The Trainer's model is a plain one of transformers, into which `ptv2.attach` has put the prompt and the head as they
were before the first step; with `method: full` nothing of ptv2 is in it but the numbers of the head.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments

import ptv2
from experiments.judges import tiny
from experiments.judges.judge import Case, Judge
from ptv2.config.schema import Config
from ptv2.model.build import build
from ptv2.train.fit import fit

STEPS, BATCH = 50, 8
RUNS: dict[str, tuple[str, dict[str, Any], float]] = {  # name: method, keys of its prompt, learning rate
    "keys and values": ("deep", {}, 5e-3),
    "values and slots": ("deep", {"form": ["values", "slots"]}, 2e-3),
    "full fine-tuning": ("full", {}, 2e-4),
}
"""The rates are those at which the rounding of float32 does not grow from step to step: with full fine-tuning at 1e-3
the first three losses are equal to the bit, and after 43 steps they are 1.4e-4 apart."""
SCHEDULES = {"linear": "linear", "constant": "constant"}  # ptv2's name: the Trainer's


class Recorded(Trainer):
    """A Trainer that takes its batches in their order and keeps each loss as it is: the log rounds it."""

    losses: list[float]

    def _get_train_sampler(self, *_: object) -> Any:
        return SequentialSampler(self.train_dataset)  # pyright: ignore[reportArgumentType]

    def compute_loss(self, model: Any, inputs: Any, **_: object) -> Any:
        loss = model(**inputs).loss
        self.losses.append(loss.item())
        return loss


def our_losses(run: Config) -> list[float]:
    """Train as `ptv2.fit` does and read the losses from metrics.jsonl."""
    fit(run)
    lines = (Path(run.run.folder) / run.run.name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [found["train/loss"] for found in map(json.loads, lines) if "train/loss" in found]


def their_losses(run: Config, folder: Path, schedule: str) -> list[float]:
    """Train the same with the Trainer."""
    model = tiny.load("bert", folder / "model").train()
    module = build(run)
    if run.method_name == "full":
        head = module.module.heads["words"].state_dict()
        weight, bias = (
            next(tensor for name, tensor in head.items() if name.endswith(end)) for end in ("weight", "bias")
        )
        with torch.no_grad():
            model.classifier.weight.copy_(weight)
            model.classifier.bias.copy_(bias)
    else:
        model.requires_grad_(False)
        ptv2.attach(model, tiny.start_of(run, folder / "start"), head=True, trainable=True)
        model.classifier.requires_grad_(True)
    keys = ("input_ids", "token_type_ids", "attention_mask", "labels")
    batches = [{key: batch[key] for key in keys if key in batch} for batch in module.data.train_dataloader()]
    arguments = TrainingArguments(
        str(folder / "theirs"),
        max_steps=STEPS,
        per_device_train_batch_size=1,
        learning_rate=run.optim.lr,
        weight_decay=run.optim.weight_decay,
        lr_scheduler_type=schedule,
        max_grad_norm=run.optim.clip or 0.0,
        optim="adamw_torch",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    trainer = Recorded(model, arguments, data_collator=lambda items: items[0], train_dataset=batches)
    trainer.losses = []
    trainer.train()
    return trainer.losses


def cases() -> Iterator[Case]:
    for name, (method, prompt, rate) in RUNS.items():
        for ours, theirs in SCHEDULES.items():
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                tiny.save("bert", folder / "model")
                optim = {
                    "lr": rate,
                    "head_lr": rate,
                    "schedule": ours,
                    "clip": 1.0,
                    "weight_decay": 0.01,
                    "warmup": 0.0,
                }
                keys = {"method": method, "optim": optim, "data": {"batch_size": BATCH}}
                keys |= {"prompt": {"form": "kv", "length": 4, "dropout": 0.0} | prompt}
                run = tiny.config("bert", folder, STEPS * BATCH, **keys)
                pair = list(zip(their_losses(run, folder, theirs), our_losses(run), strict=True))
            worst = max(range(len(pair)), key=lambda step: abs(pair[step][0] - pair[step][1]))
            of = f"{len(pair)} losses, the furthest apart: step {worst + 1}"
            yield Case(f"{name}, {ours} rate", of, *pair[worst])
            yield Case(f"{name}, {ours} rate", "the last loss", *pair[-1])


JUDGE = Judge(
    "Trainer",
    "Training: transformers' Trainer",
    "Loss of each of 50 steps on a tiny random BERT: the same start, batches, AdamW, clipping, schedule. The Trainer "
    "trains a plain model that ptv2.attach has put the prompt into; with full fine-tuning nothing of ptv2 is in it.",
    ("transformers", "torch"),
    1e-5,
    cases,
)
