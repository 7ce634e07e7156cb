"""Runs that are disturbed, each in a process of its own, and the comparison with one that was not."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from forks import Ended, Process, Start, ranks
from safetensors.torch import load_file
from scene import make_config

BASE = ("trainer.max_epochs=3", "run.save_every=1", "guard.patience=null")
TWO = ("trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu", "data.batch_size=4")


@dataclass
class Scene:
    """One config, run in a folder of the test's own."""

    config: Path
    folder: Path
    zygote: Start

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def steps(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("step-")) for path in self.checkpoints.glob("step-*.ckpt"))

    def start(self, *more: str, before: str = "") -> Process:
        """Start the run; defaults: dropout on, three epochs of six batches, a checkpoint every step."""
        return self.zygote("fit", ["--config", self.config, *BASE, *more], before)

    def run(self, *more: str, before: str = "") -> Ended:
        return self.start(*more, before=before).wait()

    def start_ranks(self, *more: str, before: tuple[str, str] = ("", "")) -> list[Process]:
        """Start two ranks, as a launcher that is none of theirs does; what one process has in a batch, they share."""
        return [self.start(*TWO, *more, before=rank + does) for rank, does in zip(ranks(), before, strict=True)]

    def run_ranks(self, *more: str, before: tuple[str, str] = ("", "")) -> list[Ended]:
        return [process.wait() for process in self.start_ranks(*more, before=before)]

    def until(self, condition: Callable[[], Any], process: Process, seconds: float = 60) -> None:
        """Wait until something is so, while a process works on it."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, process.streams[1].read_text()
            time.sleep(0.002)


def make_mixture(folder: Path, tiny_bert: Path, cards: dict[str, Path], **mixture: Any) -> Path:
    """A config of two tasks."""
    tasks = {name: str(cards[name]) for name in ("topics", "ratings")}
    mixture = {"steps_per_epoch": 6, "cosine_every": 4} | mixture
    return make_config(folder, tiny_bert, cards["topics"], tasks=tasks, mixture=mixture)


def at_step(step: int, does: str) -> str:
    """Python that makes a run do something at the start of a training step."""
    return (
        "import os, signal\n"
        "from ptv2.model.module import PromptModule\n"
        "def replaced(whole):\n"
        "    def training_step(self, batch, index):\n"
        f"        if self.trainer.global_step == {step}:\n"
        f"            {does}\n"
        "        return whole(self, batch, index)\n"
        "    return training_step\n"
        "PromptModule.training_step = replaced(PromptModule.training_step)\n"
    )


def same(first: Path, second: Path) -> None:
    """Two run folders hold the same run: weights, optimizer, generators, counters, log, predictions, results."""
    for path in (first / "metrics.jsonl", *sorted((first / "predictions").iterdir())):
        assert path.read_text() == (second / path.relative_to(first)).read_text(), path
    weights = [load_file(folder / "prompt" / "weights.safetensors") for folder in (first, second)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    results = [json.loads((folder / "results.json").read_text()) for folder in (first, second)]
    for folder, result in zip((first, second), results, strict=True):
        best = (folder / "checkpoints" / "best.ckpt").resolve()
        assert best.name == f"step-{result['best_step']:08d}.ckpt"
        assert result.pop("wall_seconds") >= 0 and result.pop("tokens_per_second") > 0
        assert result.pop("peak_memory")["rss"] > 0 and result.pop("artifact_bytes") > 0
    assert results[0] == results[1]
    names = [sorted(path.name for path in (folder / "checkpoints").iterdir()) for folder in (first, second)]
    assert names[0] == names[1]
    for name in names[0]:
        if name.endswith(".ckpt"):
            equal(*(_content(folder / "checkpoints" / name) for folder in (first, second)), name)


def _content(path: Path) -> dict[str, Any]:
    content = torch.load(path, weights_only=True)
    content["callbacks"]["Checkpoints"].pop("seconds")
    return content


def equal(first: Any, second: Any, where: str) -> None:
    """Two nested values are equal, tensors bit for bit."""
    assert type(first) is type(second), where
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), where
        for index, pair in enumerate(zip(first, second, strict=True)):
            equal(*pair, f"{where}[{index}]")
    else:
        assert first == second or first != first, (where, first, second)
