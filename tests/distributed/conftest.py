"""Runs of several processes on this machine: three small tasks with odd numbers of rows, and what a run left behind."""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from forks import ranks
from scene import CARDS, Said, write_rows

ROWS = {"train": 33, "validation": 17, "test": 15}  # 33 = 2 * 16 + 1: the last batch has a row for one rank alone


@pytest.fixture(scope="session")
def config(tmp_path_factory, tiny_bert) -> Path:
    """Three tasks in one run, nothing drawn at random while training."""
    root = tmp_path_factory.mktemp("mixture")
    for name, (make, keys) in CARDS.items():
        draw = random.Random(name)
        (root / name).mkdir()
        for split, count in ROWS.items():
            rows = [make(draw, i) for i in range(count)]
            if name == "ratings":  # each pair once: of equal rows the ranks' rounding would decide which comes first
                rows = [row | {"second": "a" + " big" * (i % 17)} for i, row in enumerate(rows)]
            write_rows(root / name / f"{split}.jsonl", rows)
        card = {"dataset": {"path": str(root / name)}, "max_length": 24} | keys
        (root / f"{name}.yaml").write_text(yaml.safe_dump(card))
    values = {
        "preset": "official",
        "tasks": {name: str(root / f"{name}.yaml") for name in CARDS},
        "backbone": {"name": str(tiny_bert), "dropout": 0.0},
        "prompt": {"length": 4, "dropout": 0.0},
        "head": {"pooling": "mean", "dropout": 0.0},
        "optim": {"lr": 0.02},
        "data": {"batch_size": 8, "eval_batch_size": 4},
        "run": {"folder": "runs", "log_every": 1},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    }
    path = root / "mixture.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def run(tmp_path) -> Callable[..., Said]:
    """`run("-m", "ptv2.fit", ...)`: Python in the test's own folder; ranks take a free port."""

    def start(*argv: object, **environment: str) -> Said:
        env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        env.pop("PYTEST_CURRENT_TEST", None)
        line = [sys.executable, *map(str, argv)]
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=240)
        return Said(done.returncode, done.stdout, done.stderr)

    return start


@pytest.fixture
def two(zygote, tmp_path) -> Callable[..., Said]:
    """`two("--config", config, "trainer.strategy=ddp")`: `ptv2.fit` as two ranks that no launcher of Lightning starts.

    `before` is Python that both run first; with `elastic` they are told what torchrun tells them.
    """

    def start(*argv: object, before: str = "", elastic: bool = False) -> Said:
        argv = (*argv, "trainer.devices=2")
        processes = [zygote("fit", argv, rank + before, tmp_path) for rank in ranks(elastic)]
        ended = [process.wait() for process in processes]
        codes, outs, errs = zip(*((end.code, end.out, end.err) for end in ended), strict=True)
        return Said(next((code for code in codes if code), 0), "".join(outs), "".join(errs))

    return start


@pytest.fixture
def torchrun(run) -> Callable[..., Said]:
    """`torchrun(2, "-m", "ptv2.fit", ...)`."""

    def start(ranks: int, *argv: object) -> Said:
        module = [] if argv[0] != "-m" else ["-m"]
        rest = argv[1:] if module else argv
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        here = ["--master-addr=127.0.0.1", f"--master-port={port}"]
        return run("-m", "torch.distributed.run", f"--nproc-per-node={ranks}", *here, *module, *rest)

    return start
