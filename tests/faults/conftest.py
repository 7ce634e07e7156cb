"""Where runs are disturbed, and the table of what came of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from disturbed import Scene
from outcomes import OUTCOMES, markdown, table
from scene import make_config, write_cards


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
