"""The house has floors: a folder imports what stands before it, and nothing imports back up (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest
from floors import FIGURE, FLOORS, PACKAGE, arrows, figure, floor, imports


def wrong_imports(package: Path) -> list[str]:
    """Every import that goes up, or through a door."""
    wrong = []
    for importer, imported in imports(package):
        if not imported:  # the package itself: its version
            continue
        if floor(imported) > floor(importer) or (floor(imported) == len(FLOORS)):
            wrong.append(f"{importer} imports {imported}")
    return sorted(set(wrong))


def circles(pairs: set[tuple[str, str]]) -> list[set[str]]:
    """Groups of modules that import each other, directly or through others."""
    reach = {a: {b for x, b in pairs if x == a} for a, _ in pairs}
    grown = True
    while grown:
        grown = False
        for ends in reach.values():
            more = set().union(*(reach.get(b, set()) for b in ends)) - ends
            grown |= bool(more)
            ends |= more
    inside = {a for a, ends in reach.items() if a in ends}
    return [{b for b in inside if b in reach[a] and a in reach[b]} for a in sorted(inside)]


def test_no_folder_imports_one_above_it():
    assert wrong_imports(PACKAGE) == []


def test_no_files_import_each_other():
    assert circles({(a, b) for a, b in imports(PACKAGE) if b}) == []


def test_the_figure_shows_what_the_folders_import():
    assert FIGURE.read_text(encoding="utf-8") == figure(arrows(PACKAGE)), "run: make docs"


def test_the_figure_changes_with_an_import():
    drawn = figure(arrows(PACKAGE) - {("data", "rows")})
    assert "data imports rows" in figure(arrows(PACKAGE)) and "data imports rows" not in drawn


def test_every_folder_says_in_one_line_what_lives_there():
    for name in FLOORS[1:]:
        text = (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), name


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("rows/labels.py", "from ptv2.model.module import PromptModule", "rows.labels imports model.module"),
        ("config/check.py", "def late():\n    import ptv2.train.trainer", "config.check imports train.trainer"),
        ("commands/shell.py", "from ptv2 import compare", "commands.shell imports compare"),
    ],
)
def test_an_import_that_goes_up_is_found(tmp_path, file, line, wrong):
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with (tmp_path / file).open("a", encoding="utf-8") as changed:
        changed.write(f"\n{line}\n")
    assert wrong_imports(tmp_path) == [wrong]
