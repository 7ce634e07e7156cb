"""Scores of a run's best checkpoint, and what is said where they do not pass the trivial answer."""

from typing import Any

import torch

from ptv2.config.schema import Config
from ptv2.metrics.table import score
from ptv2.model.build import Parts
from ptv2.model.collect import collect
from ptv2.model.predictions import write_predictions, write_scored
from ptv2.runtime.ranks import is_zero
from ptv2.train.folder import RunFolder
from ptv2.train.stuck import block, passed


def not_learned(config: Config, parts: Parts, results: dict[str, Any]) -> dict[str, list[str]]:
    """Say of each task that is no better than its trivial answer what to try: on validation rows, else on test rows."""
    found: dict[str, list[str]] = {}
    for name, data in parts.tasks.items():
        split = next((split for split in ("validation", "test") if name in results["scores"].get(split, {})), None)
        if split is not None:
            metric, value = next(iter(results["scores"][split][name].items()))
            trivial = results["baseline"][name].get(split, {}).get(metric)
            if not passed(metric, value, trivial):
                said = f"{name} {split} {metric} {value:.4f}, trivial answer {trivial:.4f}"
                found[name] = block(config, data, said, results["ended_by"])
    return found


def score_splits(parts: Parts, folder: RunFolder, device: torch.device) -> dict[str, dict[str, dict[str, Any]]]:
    """Return `scores` and `intervals` of the best checkpoint by split, task and metric.

    Predictions go to the run folder.
    """
    scores: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    for name, data in parts.tasks.items():
        for split in ("validation", "test"):
            if split not in data.rows:
                continue
            loader = parts.data.eval_dataloader(name, split)
            outputs = collect(parts.module, loader, device, split)[name]
            made = data.scored(split, outputs)
            scores.setdefault(split, {})[name] = score(data.card.metrics, made)
            intervals.setdefault(split, {})[name] = data.intervals(made)
            if is_zero():
                write_scored(folder.path / "scored" / f"{name}.{split}.json", made)
                write_predictions(folder.path / "predictions" / f"{name}.{split}.jsonl", parts.module, name, split)
    return {"scores": scores, "intervals": intervals}
