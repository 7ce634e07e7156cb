"""The house has floors: a folder imports what stands before it, and nothing imports back up (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ptv2

PACKAGE = Path(ptv2.__file__).parent
FLOORS = "errors runtime config metrics backbone rows artifact kinds methods data model train commands".split()
"""From the ground up; the doors (`python -m ptv2.X`) stand on top of them."""


def name_of(path: Path, package: Path) -> str:
    """Dotted name of a module below the package, without the package's own."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(package: Path) -> Iterator[tuple[str, str, bool]]:
    """(importing module, imported module, when it is imported: True where not just for a type checker)."""
    modules = {name_of(path, package): path for path in package.rglob("*.py")}
    for importer, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name != "ptv2" and not name.startswith("ptv2."):
                    continue
                found = name.removeprefix("ptv2").removeprefix(".")
                while found and found not in modules:  # a name inside of a module
                    found = found.rpartition(".")[0]
                if found != importer:
                    yield importer, found


def floor(module: str) -> int:
    """The number of a module's floor; doors stand above all others."""
    first = module.partition(".")[0]
    return FLOORS.index(first) if first in FLOORS else len(FLOORS)


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
