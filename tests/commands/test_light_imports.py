"""What only answers and scores rows is imported without what trains or holds data sets, which takes seconds."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ptv2

PACKAGE = Path(ptv2.__file__).parent
HEAVY = {"lightning", "torchmetrics", "datasets", "pandas", "tensorboard", "scipy", "sklearn", "matplotlib", "peft"}


def named(node: ast.AST) -> list[str]:
    """The modules that an import statement names; those of the package as modules or as names in one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def on_import(body: list[ast.stmt]) -> Iterator[str]:
    """What a module imports when it is imported itself: not in functions, and not for types alone."""
    for node in body:
        yield from named(node)
        if isinstance(node, ast.ClassDef | ast.Try | ast.With):
            yield from on_import(node.body)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from on_import([*node.body, *node.orelse])


@cache
def imports(file: Path) -> list[str]:
    return list(on_import(ast.parse(file.read_text(encoding="utf-8")).body))


def file_of(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def heavy(start: list[str]) -> set[str]:
    """`a imports b` for all heavy b that come with these modules."""
    found, todo, seen = set(), [*start], set()
    while todo:
        module = todo.pop()
        if module in seen or (file := file_of(module)) is None:
            continue
        seen.add(module)
        if "." in module:
            todo.append(module.rpartition(".")[0])
        for name in imports(file):
            todo += [name] if name.startswith("ptv2.") else []
            found |= {f"{module} imports {name}"} if name.partition(".")[0] in HEAVY else set()
    return found


@pytest.mark.parametrize("door", ["commands.predict", "commands.evaluate", "model.predictor", "commands.serve"])
def test_answers_need_nothing_that_trains(door):
    tree = ast.parse(file_of(f"ptv2.{door}").read_text(encoding="utf-8"))
    run = [name for node in ast.walk(tree) for name in named(node) if name.startswith("ptv2.")]
    assert len(run) > 3 and heavy(run) == set()


def test_the_search_finds_what_trains():
    assert "ptv2.model.module imports lightning" in heavy(["ptv2.train.fit"])
