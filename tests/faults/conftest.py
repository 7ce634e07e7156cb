"""Runs that are disturbed, each in a process of its own, and the comparison with one that was not."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from scene import make_config, write_cards

OUTCOMES = pytest.StashKey[list]()
BASE = ("trainer.max_epochs=3", "run.save_every=1")


@dataclass
class Ended:
    """How a process ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self
        return lines[0]

    @property
    def whole(self) -> bool:
        """It came to its end and found nothing amiss; that a prompt trained for six steps collapses is true."""
        return self.code == 0 and all("has collapsed to one class" in line for line in self.err.splitlines())


@dataclass
class Process:
    """A run that is under way."""

    pid: int
    ask: Callable[[dict], int]
    streams: tuple[Path, Path]
    ended: Ended | None = field(default=None)

    def signal(self, number: int, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self) -> Ended:
        if self.ended is None:
            code = self.ask({"wait": self.pid})
            self.ended = Ended(code, *(path.read_text() for path in self.streams))
        return self.ended


@pytest.fixture(scope="session")
def zygote():
    """Start a run: `zygote(argv, before)`."""
    here = Path(__file__).parent
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(here.parents[1]), *sys.path])}
    made = subprocess.Popen(
        [sys.executable, str(here / "zygote.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert made.stdout.readline() == "ready\n"
    with tempfile.TemporaryDirectory() as folder:

        def ask(request: dict) -> int:
            made.stdin.write(json.dumps(request) + "\n")
            made.stdin.flush()
            return int(made.stdout.readline())

        def start(argv: list[str], before: str = "") -> Process:
            streams = tuple(Path(tempfile.mkstemp(dir=folder)[1]) for _ in range(2))
            request = {"argv": argv, "before": before, "out": str(streams[0]), "err": str(streams[1])}
            return Process(ask(request), ask, streams)

        yield start
    made.stdin.close()
    made.wait()


@pytest.fixture(scope="session")
def cards(tmp_path_factory) -> dict[str, Path]:
    """Card files of the small tasks, their rows in a folder beside each."""
    return write_cards(tmp_path_factory.mktemp("tasks"), train=46)  # the last batch of an epoch is short


@dataclass
class Scene:
    """One config, run in a folder of the test's own."""

    config: Path
    folder: Path
    zygote: Callable[..., Process]

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def steps(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("step-")) for path in self.checkpoints.glob("step-*.ckpt"))

    def start(self, *more: str, before: str = "") -> Process:
        """Start the run; defaults: dropout on, three epochs of six batches, a checkpoint every step."""
        return self.zygote(["--config", str(self.config), *BASE, *more], before)

    def run(self, *more: str, before: str = "") -> Ended:
        return self.start(*more, before=before).wait()

    def until(self, condition: Callable[[], Any], process: Process, seconds: float = 60) -> None:
        """Wait until something is so, while a process works on it."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, process.streams[1].read_text()
            time.sleep(0.002)


@pytest.fixture
def scene(tmp_path, tiny_bert, cards, zygote) -> Scene:
    return Scene(make_config(tmp_path, tiny_bert, cards["topics"]), tmp_path / "runs" / "topics", zygote)


def make_mixture(folder: Path, tiny_bert: Path, cards: dict[str, Path], **mixture: Any) -> Path:
    """A config of two tasks."""
    tasks = {name: str(cards[name]) for name in ("topics", "ratings")}
    mixture = {"steps_per_epoch": 6, "cosine_every": 4} | mixture
    return make_config(folder, tiny_bert, cards["topics"], tasks=tasks, mixture=mixture)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, tiny_bert, cards, zygote) -> Callable[..., Path]:
    """`undisturbed(*overrides)`: the folder of the same run without a fault."""
    made: dict[tuple, Path] = {}

    def run(*more: str) -> Path:
        if more not in made:
            root = tmp_path_factory.mktemp("undisturbed")
            scene = Scene(make_config(root, tiny_bert, cards["topics"]), root / "runs" / "topics", zygote)
            ended = scene.run(*more)
            assert ended.whole, ended
            made[more] = scene.folder
        return made[more]

    return run


def at_step(step: int, does: str) -> str:
    """Python that makes a run do something at the start of a training step."""
    return (
        "import os, signal\n"
        "from ptv2.module import PromptModule\n"
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
    for result in results:
        assert result.pop("wall_seconds") >= 0 and result.pop("tokens_per_second") > 0
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


@pytest.fixture
def outcome(request) -> Callable[[str, str], None]:
    """`outcome(fault, what came of it)`: a line of the table that `make test-faults` prints."""
    lines = request.config.stash.setdefault(OUTCOMES, [])
    return lambda fault, result: lines.append((fault, result))


def pytest_terminal_summary(terminalreporter, config) -> None:
    lines = config.stash.get(OUTCOMES, [])
    if lines and "not faults" not in config.option.markexpr:
        terminalreporter.section("faults")
        width = max(len(fault) for fault, _ in lines)
        for fault, result in lines:
            terminalreporter.write_line(f"{fault:{width}}  {result}")
