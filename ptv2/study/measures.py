"""What is measured of a finished run beside its scores: the cost of inference, and what the backbone has forgotten.

Both compare the run's model with the bare backbone, loaded anew: some methods change the backbone's weights.
Shapes: B batch, T tokens, V vocabulary, D width.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ptv2.backbone import Backbone, load_backbone
from ptv2.config.schema import Config
from ptv2.data.collate import moved
from ptv2.data.loaders import Loaders
from ptv2.data.taskdata import TaskData
from ptv2.model.predictor import Predictor
from ptv2.model.prompted import PromptedModel
from ptv2.study.forgetting import outside_losses

ROWS = 16  # of a batch that is timed
ROUNDS, SECONDS = 7, 20.0  # the most rounds, and the time after which there are no more; at least three are made


def measures(config: Config, run: Path, outside: Sequence[str]) -> dict[str, Any]:
    """Measure a finished run: `overhead`, `forgetting`, and the losses that forgetting is the difference of.

    Args:
        config: of the run.
        run: its folder.
        outside: texts outside of its task; none: those of `outside.py`.

    Raises:
        UserError: the artifact or the backbone cannot be loaded again.
    """
    device = "cuda" if torch.cuda.is_available() and config.trainer.get("accelerator") != "cpu" else "cpu"
    predictor = Predictor(run, overrides=["backbone.compile=false"], device=device, imports=config.imports)
    (name,) = config.tasks
    module = predictor.module.to(device)
    dtype = predictor.config.backbone.dtype  # which the run chose, where the config says `auto`
    config = replace(config, backbone=replace(config.backbone, compile=False, dtype=dtype))
    bare = load_backbone(config.backbone, module.head(name).reads).to(device).eval()
    batch = moved(timed_batch(config, predictor, name), device)
    measured: dict[str, Any] = {"overhead": overhead(module, bare, batch)}
    losses = outside_losses(config, module, bare, name, outside)
    if losses is None:
        return measured | {"forgetting": None}
    return measured | {"forgetting": losses["on"] - losses["off"], "outside": losses}


def timed_batch(config: Config, predictor: Predictor, name: str) -> dict[str, Any]:
    """Collate a batch of training rows: the test rows are read once, when they are scored."""
    data = TaskData(
        config.tasks[name],
        predictor.backbone.tokenizer,
        {"train": ROWS},
        config.seed,
        labels=predictor.artifact.labels(name),
        splits=("train",),
        decoder_only=not predictor.backbone.is_encoder_decoder,
        notices_to=sys.stderr,
    )
    return next(iter(Loaders({name: data}, config).eval_dataloader(name, "train")))


@torch.no_grad()
def overhead(module: PromptedModel, bare: Backbone, batch: dict[str, Any]) -> float:
    """Return the time of a forward pass with what the method adds, over that of the bare backbone.

    The two take turns, so that another load on the machine slows both; the ratio is the median over rounds.
    """
    head, inputs = module.head(batch["task"]), module.inputs(batch)
    reads = head.asks or head.reads
    ratios, started = [], time.monotonic()
    while len(ratios) < 4 or (len(ratios) <= ROUNDS and time.monotonic() - started < SECONDS):
        with_method = _seconds(lambda: module.backbone(inputs, module.prompts(batch), reads), module.backbone.device)
        without = _seconds(lambda: bare(batch, reads=reads), module.backbone.device)
        ratios.append(with_method / without)
    return statistics.median(ratios[1:])  # the first round warms up


def _seconds(forward: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    forward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
