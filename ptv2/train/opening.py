"""The first lines of a run: what trains, on what, with which data, and where it writes."""

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median

import torch

from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.model.build import Parts

SAID = 4  # shapes of a method without a prompt that are written out


def opening(config: Config, parts: Parts, folder: object, steps: int | None = None) -> list[str]:
    """Write the first lines of a run.

    Args:
        config: of the run, resolved.
        parts: of the run.
        folder: that it writes into.
        steps: that it trains in all; None: not known yet.
    """
    module, limits = parts.module, config.trainer
    counts = module.parameter_counts()
    total = sum(part["total"] for part in counts.values())
    trained = {name: part["trainable"] for name, part in counts.items() if part["trainable"]}
    share = 100 * sum(trained.values()) / total
    own = ", ".join(f"{name} {count:,}" for name, count in trained.items())
    backbone, frozen = module.backbone, counts["backbone"]["trainable"] == 0
    where = f"{module.device.type}, {torch.get_num_threads()} threads" if module.device.type == "cpu" else module.device
    model = f"{backbone.model.config.model_type}, {counts['backbone']['total']:,} numbers"
    stored = config.backbone.quantize or config.backbone.dtype
    lines = [
        f"method    {config.method_name}: {'; '.join(reach(parts)) or 'nothing but the heads'}",
        f"trains    {sum(trained.values()):,} of {total:,} numbers ({share:.2f} %): {own}",
        f"backbone  {backbone.name} ({model}, {stored}){', frozen,' if frozen else ''} on {where}",
    ]
    for name, data in parts.tasks.items():
        lines += [f"task      {name}: {about_task(data)}", *(f"          {line}" for line in about_rows(data))]
    size = config.data.tokens_per_batch
    batch = f"up to {size} tokens" if size else f"{config.data.batch_size} rows"
    many = "" if steps is None else f"{steps} steps, "
    epochs = f"{limits['max_epochs']} epochs, " if limits.get("max_epochs") not in (None, -1) else ""
    lines.append(f"batches   {many}{epochs}{batch} per device, learning rate {config.optim.lr:g}, seed {config.seed}")
    return [*lines, f"writes    {folder}"]


def reach(parts: Parts) -> list[str]:
    """Say what a method trains and where: `kv, 16 positions in encoder layers 0-5`."""
    method = parts.module.method
    prompted = method.prompted
    if not isinstance(prompted, DeepPrompt):
        shapes = [f"{name} {shape}" for name, shape in method.shapes()]
        return shapes[:SAID] + [f"and {len(shapes) - SAID} more"] * (len(shapes) > SAID)
    found: dict[tuple[str, int, str], list[int]] = {}
    for part in prompted.parts:
        rows = part.slot.length if part.name in ("kv", "hidden", "slots") else 0
        found.setdefault((part.name, rows, part.slot.site.place), []).append(part.slot.site.layer)
    said = []
    for (form, rows, place), layers in found.items():
        count = f", {rows} {'neurons' if form == 'slots' else 'positions'}" if rows else ""
        said.append(f"{form}{count} in {place} layer{'s' * (len(layers) > 1)} {ranges(layers)}")
    return said


def ranges(numbers: Sequence[int]) -> str:
    """Write whole numbers in short: `0-5, 8`."""
    counted = groupby(enumerate(sorted(numbers)), key=lambda pair: pair[1] - pair[0])
    runs = [[number for _, number in run] for _, run in counted]
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def about_task(data: TaskData) -> str:
    """Say what kind of task it is and how it is scored."""
    labels = f", {len(data.labels)} labels" if data.labels is not None else ""
    return f"{data.card.name}, {data.card.kind}{labels}, scored by {', '.join(data.card.metrics)}"


def about_rows(data: TaskData) -> list[str]:
    """Say of each split how many rows it has, how long they are, and what a limit took of them."""
    said = []
    for split in data.rows:
        about, lengths = data.about(split), data.encoded(split)["length"][:]
        of = f" of {about['of']:,}" if about["rows"] != about["of"] else ""
        long = f"{min(lengths)} to {max(lengths)} tokens, median {math.floor(median(lengths))}" if lengths else "empty"
        cut = f", {about['cut']:,} cut" if about["cut"] else ""
        bad = f", {about['bad']:,} left out" if about["bad"] else ""
        said.append(f"{split} {about['rows']:,}{of} rows ({long}{cut}{bad})")
    return said
