"""Where runs are disturbed, and the table of what came of it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from disturbed import Process, Scene
from outcomes import OUTCOMES, markdown, table
from scene import make_config, write_cards


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


@pytest.fixture
def scene(tmp_path, tiny_bert, cards, zygote) -> Scene:
    return Scene(make_config(tmp_path, tiny_bert, cards["topics"]), tmp_path / "runs" / "topics", zygote)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, tiny_bert, cards, zygote) -> Callable[..., Path]:
    """`undisturbed(*overrides, ranks=1)`: the folder of the same run without a fault."""
    made: dict[tuple, Path] = {}

    def run(*more: str, ranks: int = 1) -> Path:
        if (more, ranks) not in made:
            root = tmp_path_factory.mktemp("undisturbed")
            scene = Scene(make_config(root, tiny_bert, cards["topics"]), root / "runs" / "topics", zygote)
            ended = [scene.run(*more)] if ranks == 1 else scene.run_ranks(*more)
            assert all(rank.whole for rank in ended), ended
            made[more, ranks] = scene.folder
        return made[more, ranks]

    return run


@pytest.fixture
def outcome(request) -> Callable[[str, str], None]:
    """`outcome(fault, what came of it)`, at a test's end: a line of the table."""
    lines = request.config.stash.setdefault(OUTCOMES, [])
    subject = request.module.__doc__.splitlines()[0].rstrip(".")
    return lambda fault, result: lines.append((subject, fault, result))


def pytest_addoption(parser) -> None:
    parser.addoption("--outcomes", type=Path, help="write the table to this file, if every fault was injected")


def pytest_terminal_summary(terminalreporter, exitstatus, config) -> None:
    lines, file = config.stash.get(OUTCOMES, []), config.getoption("outcomes", None)
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write_line("\n".join(table(lines)))
    if file is not None:
        missed = [name for name in ("failed", "error", "skipped", "deselected") if terminalreporter.stats.get(name)]
        if exitstatus == 0 and not missed:
            file.write_text(markdown(lines), encoding="utf-8")
        terminalreporter.write_line(f"{file}: {'not ' if missed else ''}written {' and '.join(missed)}".rstrip())
