"""A method is one place: nothing outside of `ptv2/methods/` asks which method a run has, or keeps a table of them."""

import ast
from pathlib import Path

import pytest

import ptv2
from ptv2.methods import METHODS

PACKAGE = Path(ptv2.__file__).parent
INSIDE = ("methods/__init__.py",)
"""Where `METHODS` is."""
WORDS = {"method", "methods", "method_name"}
"""What holds the name of a method: beside it, words that also name a part of a model or a folder mean a method."""
UNMISTAKABLE = set(METHODS) - {"prompt", "head", "adapter"}
SECTIONS = {"ptuning", "bitfit", "lora"}
"""Methods that have a section of the config, whose name may be a key."""


def held(node: ast.AST) -> set[str]:
    """The names, attributes and keys that an expression reads."""
    found = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return found | {
        n.slice.value for n in ast.walk(node) if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)
    }


def constants(node: ast.AST) -> set[object]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def asked(source: str) -> list[int]:
    """Lines that compare something with the name of a method, or have a table or set of several."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        sides: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.Sub):
            sides = [node.left, node.right]
        plain = [side for side in sides if isinstance(side, ast.Constant | ast.Tuple | ast.List | ast.Set)]
        named = set().union(*map(constants, plain)) & set(METHODS)
        if named & UNMISTAKABLE or (named and WORDS & set().union(*map(held, sides))):
            lines.append(node.lineno)
        elif isinstance(node, ast.Dict | ast.Set):
            keys = node.keys if isinstance(node, ast.Dict) else node.elts
            names = {key.value for key in keys if isinstance(key, ast.Constant)}
            lines += [node.lineno] if len(names & METHODS.keys()) > 2 or names & UNMISTAKABLE - SECTIONS else []
    return lines


def test_nothing_asks_for_a_method_by_its_name():
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in INSIDE]
    found = [f"{path}:{line}" for path in paths for line in asked(path.read_text(encoding="utf-8"))]
    assert paths and not found


@pytest.mark.parametrize(
    "line",
    [
        'method == "deep"',
        'name = "deep" if name == "prefix" else name',
        'run.methods != ("deep",)',
        '"full" in run.methods',
        'found.settings["method"] == "prompt"',
        'bool({"deep", "prefix"} & set(config.methods))',
        'T = {"head": 1, "adapter": 2, "prompt": 3}',
        'LAYERED = {"ia3": "scales"}',
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert 1 in asked(line)


@pytest.mark.parametrize("line", ['path.name == "prompt"', 'parts = {"prompt": a, "head": b}', 'plain | {"lora": 1}'])
def test_it_takes_no_folder_part_or_section_for_a_method(line):
    assert asked(line) == []
