"""The commands as a user runs them: a tiny backbone and three small tasks in local files."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from scene import Said, make_config, write_cards

from ptv2.commands import shell as command
from ptv2.config.load import load_config
from ptv2.train import fit


@pytest.fixture(scope="session")
def cards(tmp_path_factory) -> dict[str, Path]:
    """Card files of the three tasks, their rows in a folder beside each."""
    return write_cards(tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def ptv2(capfd) -> Callable[..., Said]:
    """`ptv2("fit", "--config", ...)`: a command in this process, as `python -m ptv2.fit --config ...` runs it."""

    def run(name: str, *argv: object) -> Said:
        module = import_module(f"ptv2.commands.{name}")
        capfd.readouterr()
        code = 0
        try:
            command.run(module.main, module.command_line(), [str(word) for word in argv])
        except SystemExit as stop:
            code = stop.code
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture
def spawn(tmp_path, zygote) -> Callable[..., Said]:
    """`spawn("fit", "--config", ...)`: the same in a process of its own."""

    def run(name: str, *argv: object, stdin: str = "") -> Said:
        ended = zygote(name, argv, folder=tmp_path, stdin=stdin).wait()
        return Said(ended.code, ended.out, ended.err)

    return run


@pytest.fixture
def write_config(tmp_path, tiny_bert, cards) -> Callable[..., Path]:
    """`write_config("names", method="head")`: a config file in the test's own folder."""

    def write(task: str = "topics", **keys: Any) -> Path:
        return make_config(tmp_path, tiny_bert, cards[task], **keys)

    return write


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_bert, cards) -> Callable[[str], Path]:
    """`finished("topics")`: the folder of a finished run, for tests that only read it."""
    done: dict[str, Path] = {}

    def run(task: str) -> Path:
        if task not in done:
            folder = tmp_path_factory.mktemp("finished")
            fit.fit(load_config(make_config(folder, tiny_bert, cards[task])))
            done[task] = folder / "runs" / task
        return done[task]

    return run
