"""The systems of this package and the floor below them: each takes steps for ever and asks the gate before each.

Shapes: B batch, T tokens, D width.
"""

import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from experiments.bench.gate import Gate
from experiments.bench.plan import ROWS, SMOLLM, Group
from ptv2.backbone import INPUTS, Injection, load_backbone
from ptv2.backbone.load import load_tokenizer
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.data.datamodule import TaskDataModule
from ptv2.data.taskdata import TaskData
from ptv2.kinds import reads_of
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.train.fit import fit

ENDLESS = 100_000  # steps; nothing gets so far
RUNS = Path("runs") / "bench"  # what systems write, and their logs


def floor(group: Group, options: Mapping[str, Any], gate: Gate, keys: bool = False) -> None:
    """Run the frozen backbone alone on the batches of `ours`: forward, and the gradient of its activations.

    With `keys`, attention reads as many keys and values more as a prompt has, which nothing makes or trains.
    """
    config = config_of(group, options)
    backbone = load_backbone(config.backbone, reads_of(config.tasks.values())).to(device()).train()
    backbone.model.get_input_embeddings().register_forward_hook(lambda *hooked: hooked[2].requires_grad_())
    given = Injection()
    if keys:
        with torch.no_grad():
            given = DeepPrompt(config, backbone).to(device()).eval()(1)
    writes = ROWS[group.rows].backbone == SMOLLM
    for batch in batches(config, gate):
        gate()
        inputs = {name: batch[name].to(device()) for name in INPUTS if name in batch}
        with backbone.state.use(given):
            if writes:  # its language model's loss is a part of it
                loss = backbone.model(**inputs, labels=batch["labels"].to(device()), use_cache=False).loss
            else:
                loss = backbone.reader(**inputs).last_hidden_state.float().mean()
            loss.backward()


def keys(group: Group, options: Mapping[str, Any], gate: Gate) -> None:
    """Run the floor with the keys and values of a prompt."""
    floor(group, options, gate, keys=True)


def ours(group: Group, options: Mapping[str, Any], gate: Gate) -> None:
    """Run `ptv2.fit` as the command does."""
    fit(config_of(group, options), [Asking(gate)])


class Asking(Callback):
    """Ask the gate before each batch."""

    def __init__(self, gate: Gate):
        self.gate = gate

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.gate.steps = steps(module.tasks, module.config.data.batch_size)

    def on_train_batch_start(self, trainer: L.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self.gate()


def config_of(group: Group, options: Mapping[str, Any]) -> Config:
    """Make the config of a run that trains on one set of rows again and again, and validates nothing."""
    rows = ROWS[group.rows]
    steps = -(-rows.rows // rows.batch)
    values: dict[str, Any] = {
        "preset": "official",
        "task": {"card": rows.card, "max_length": rows.max_length},
        "backbone": {"name": rows.backbone, "dropout": 0},
        "prompt": {"length": group.length},
        "data": {"batch_size": rows.batch, "limit": {"train": rows.rows, "validation": 4, "test": 4}},
        "mixture": {"steps_per_epoch": ENDLESS // steps * steps},
        "run": {"name": "bench", "folder": new_folder()},
        "trainer": {"max_epochs": 1},  # which is never finished
    }
    for key, value in options.items():
        *path, last = key.split(".")
        holder = values
        for name in path:
            holder = holder.setdefault(name, {})
        holder[last] = value
    return make_config(values)


def new_folder() -> str:
    """Make a folder of its own for what a system writes."""
    RUNS.mkdir(parents=True, exist_ok=True)
    return tempfile.mkdtemp(dir=RUNS)


def tasks_of(config: Config) -> dict[str, TaskData]:
    """Return the rows of a run without its model."""
    tokenizer = load_tokenizer(config.backbone)
    decoder_only = any(card.kind == "seq2seq" for card in config.tasks.values())  # no encoder-decoder is measured
    return {
        name: TaskData(card, tokenizer, config.data.limit, config.seed, config.data.seed, decoder_only=decoder_only)
        for name, card in config.tasks.items()
    }


def batches(config: Config, gate: Gate) -> Iterator[dict[str, Any]]:
    """Draw the batches of a run, without an end."""
    tasks = tasks_of(config)
    gate.steps = steps(tasks, config.data.batch_size)
    data = TaskDataModule(tasks, config)
    return chain.from_iterable(map(iter, repeat(data.train_dataloader())))


def steps(tasks: Mapping[str, TaskData], batch: int) -> int:
    """Count the steps of one pass over the rows."""
    return sum(-(-len(data.encoded("train")) // batch) for data in tasks.values())


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
