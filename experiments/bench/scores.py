"""How soon each system reaches a score, and which score it ends with: TREC, the same rows, batches and learning rate.

Processor time of training alone: loading, tokenising and scoring are left out of it. The score is that of all
validation rows after each epoch; the last one is final, whichever was best.

Run: python -m experiments.bench.scores [seeds]; it goes on where it ended.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments, set_seed

from experiments.bench.peers import peer, plain
from experiments.bench.plan import MINILM, Group
from experiments.bench.systems import new_folder, tasks_of
from ptv2.backbone import quiet_transformers
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.runtime.quiet import quiet
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table
from ptv2.train.fit import fit

FOLDER = Path(__file__).parent / "scores"
RUNS = Path("runs") / "bench-scores"
ROWS, VALIDATION, BATCH, EPOCHS, RATE, LENGTH = 500, 200, 16, 4, 1e-2, 16
REACHED = (0.6, 0.7, 0.8)
SYSTEMS = {"ptv2": "ours", "PEFT prefix, Trainer": "prefix", "official recipe": "official"}


class Clock:
    """Processor seconds of training, and the score after each epoch."""

    def __init__(self) -> None:
        self.spent, self.began = 0.0, 0.0
        self.curve: list[tuple[float, float]] = []  # seconds so far, score

    def start(self) -> None:
        self.began = time.process_time()

    def stop(self) -> None:
        self.spent += time.process_time() - self.began

    def score(self, value: float) -> None:
        self.curve.append((round(self.spent, 2), round(value, 4)))


class Ours(Callback):
    """Tell the clock what Lightning does."""

    def __init__(self, clock: Clock):
        self.clock = clock

    def on_train_epoch_start(self, trainer: L.Trainer, module: Any) -> None:
        self.clock.start()

    def on_validation_start(self, trainer: L.Trainer, module: Any) -> None:
        self.clock.stop()  # once an epoch, behind its last batch

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        self.clock.score(float(trainer.callback_metrics["validation/score"]))


class Theirs(TrainerCallback):
    """Tell the clock what the Trainer does."""

    def __init__(self, clock: Clock):
        self.clock = clock

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.clock.start()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.clock.stop()

    def on_evaluate(self, *_: Any, metrics: Mapping[str, float], **__: Any) -> None:
        self.clock.score(metrics["eval_accuracy"])


def config_of(seed: int) -> Config:
    """Make the config that all systems take rows, backbone and settings from."""
    return make_config(
        {
            "preset": "official",
            "task": {"card": "classification/trec", "metrics": ["accuracy"]},
            "backbone": {"name": MINILM, "dropout": 0},
            "prompt": {"length": LENGTH},
            "optim": {"lr": RATE},
            "data": {"batch_size": BATCH, "limit": {"train": ROWS, "validation": VALIDATION, "test": 4}},
            "run": {"name": "bench", "folder": new_folder()},
            "trainer": {"max_epochs": EPOCHS, "enable_progress_bar": False},
            "seed": seed,
        }
    )


def ours(seed: int, clock: Clock) -> None:
    """Train as the command does."""
    fit(config_of(seed), [Ours(clock)])


def theirs(method: str, seed: int, clock: Clock) -> None:
    """Train by the Trainer, at its defaults but for what is the same for all."""
    config = config_of(seed)
    ((_, data),) = tasks_of(config).items()
    set_seed(seed)
    model, collator = peer(Group("trec", LENGTH, ()), data, method)
    made = TrainingArguments(
        output_dir=new_folder(),
        per_device_train_batch_size=BATCH,
        per_device_eval_batch_size=64,
        num_train_epochs=EPOCHS,
        learning_rate=RATE,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed,
    )
    rows: Any = {split: [plain(row, "cls", None) for row in data.encoded(split)] for split in ("train", "validation")}
    trainer = Trainer(
        model,
        made,
        data_collator=collator,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        compute_metrics=accuracy,
        callbacks=[Theirs(clock)],
    )
    trainer.train()


def accuracy(found: EvalPrediction) -> dict[str, float]:
    """Return the share of rows that are right."""
    logits: Any = found.predictions
    return {"accuracy": float((logits.argmax(-1) == found.label_ids).mean())}


def run(of: Cell) -> dict[str, Any]:
    """Train one system with one seed."""
    torch.set_num_threads(1)
    quiet_transformers()
    quiet()
    clock, seed, method = Clock(), of.key["seed"], SYSTEMS[of.key["system"]]
    work: Callable[[], None] = (
        (lambda: ours(seed, clock)) if method == "ours" else (lambda: theirs(method, seed, clock))
    )
    work()
    spent, final = clock.curve[-1]
    return {"final accuracy": final, "s of training": spent} | reached(clock.curve) | {"curve": clock.curve}


def reached(curve: list[tuple[float, float]]) -> dict[str, float | None]:
    """Return the seconds after which each score was there; None: never."""
    return {f"s to {score}": next((s for s, found in curve if found >= score), None) for score in REACHED}


def main() -> None:
    """Finish the cells, seed by seed, and write the table."""
    asked = options()
    seeds = range(1, 1 + int(asked.rest[0] if asked.rest else 5))
    FOLDER.mkdir(exist_ok=True)
    if not asked.table:
        keys = [{"system": system, "seed": seed} for seed in seeds for system in SYSTEMS]
        cells = [Cell(key, RUNS / f"{SYSTEMS[key['system']]}-{key['seed']}", run) for key in keys]
        finish(Lines(FOLDER / "results.jsonl"), cells)  # one at a time: they measure time
    title = (
        f"TREC, {ROWS} rows, {EPOCHS} epochs in batches of {BATCH}, P={LENGTH}, learning rate {RATE}: processor seconds"
    )
    columns = ["final accuracy", "s of training", *(f"s to {score}" for score in REACHED)]
    write_table(FOLDER, title, "python -m experiments.bench.scores", ["system"], columns)


if __name__ == "__main__":
    main()
