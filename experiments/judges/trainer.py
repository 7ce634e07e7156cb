"""Loss curves beside transformers' Trainer: the same BERT, tiny or MiniLM-L6, start, batches and AdamW for 50 steps.

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
from transformers import AutoModelForSequenceClassification, PreTrainedModel, Trainer, TrainingArguments

import ptv2
from experiments.judges import tiny
from experiments.judges.judge import Case, Judge
from ptv2.backbone.demo import model_folder
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.model.build import build
from ptv2.train.fit import fit

STEPS, BATCH = 50, 8
RUNS: dict[str, tuple[str, dict[str, Any], dict[str, float]]] = {  # name: method, its prompt, learning rates
    "keys and values": ("deep", {}, {"tiny": 5e-3, "MiniLM-L6": 5e-3}),
    "values and slots": ("deep", {"form": ["values", "slots"]}, {"tiny": 2e-3, "MiniLM-L6": 1e-3}),
    "full fine-tuning": ("full", {}, {"tiny": 2e-4, "MiniLM-L6": 2e-5}),
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
    model = plain_model(run).train()
    module = build(run)
    if run.method_name == "full":
        (head,) = (head.state_dict() for head in module.module.heads.values())
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


def plain_model(run: Config) -> PreTrainedModel:
    """Load the run's backbone as a plain model of transformers, without dropout."""
    name = run.backbone.name.removeprefix("demo:")
    folder = model_folder(name) if name != run.backbone.name else name
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_labels": 2}
    return AutoModelForSequenceClassification.from_pretrained(folder, **off)


def config_of(backbone: str, folder: Path, keys: dict[str, Any]) -> Config:
    """Make the config of a run: rows of words for the tiny model, of film reviews for MiniLM-L6."""
    if backbone == "tiny":
        tiny.save("bert", folder / "model")
        return tiny.config("bert", folder, STEPS * BATCH, **keys)
    values = {
        "preset": "official",
        "task": {"card": "demo/movie", "max_length": 40},
        "backbone": {"name": "demo:minilm-l6", "dropout": 0.0},
        "head": {"dropout": 0.0, "pooling": "pooler"},
        "run": {"name": "run", "folder": str(folder), "log_every": 1},
        "trainer": {"accelerator": "cpu", "max_epochs": 1},
    }
    limit = {"train": STEPS * BATCH, "validation": BATCH, "test": BATCH}
    return make_config(values | keys | {"data": keys["data"] | {"limit": limit}})


def cases() -> Iterator[Case]:
    for backbone in ("tiny", "MiniLM-L6"):
        for name, (method, prompt, rates) in RUNS.items():
            for ours, theirs in SCHEDULES.items():
                keys: dict[str, Any] = {"method": method, "data": {"batch_size": BATCH}}
                keys["optim"] = {"lr": rates[backbone], "head_lr": rates[backbone], "schedule": ours, "clip": 1.0}
                keys["optim"] |= {"weight_decay": 0.01, "warmup": 0.0}
                keys["prompt"] = {"form": "kv", "length": 4, "dropout": 0.0} | prompt
                with tempfile.TemporaryDirectory() as made:
                    folder = Path(made)
                    run = config_of(backbone, folder, keys)
                    pair = list(zip(their_losses(run, folder, theirs), our_losses(run), strict=True))
                worst = max(range(len(pair)), key=lambda step: abs(pair[step][0] - pair[step][1]))
                of = f"{len(pair)} losses, the furthest apart: step {worst + 1}"
                yield Case(f"{backbone}, {name}, {ours} rate", of, *pair[worst])
                yield Case(f"{backbone}, {name}, {ours} rate", "the last loss", *pair[-1])


JUDGE = Judge(
    "Trainer",
    "Training: transformers' Trainer",
    "Loss of each of 50 steps on a tiny random BERT and on MiniLM-L6: the same start, batches, AdamW, clipping, "
    "schedule. The Trainer "
    "trains a plain model that ptv2.attach has put the prompt into; with full fine-tuning nothing of ptv2 is in it.",
    ("transformers", "torch"),
    1e-5,
    cases,
)
