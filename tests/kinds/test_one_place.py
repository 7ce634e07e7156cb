"""A kind is one place: nothing outside of `ptv2/kinds/` asks which kind a card is of."""

import ast
from pathlib import Path

import pytest

import ptv2
from ptv2.config.cards import TaskCard
from ptv2.errors import UserError
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card

PACKAGE = Path(ptv2.__file__).parent


def asked(source: str) -> list[int]:
    """Lines that compare something with the name of a kind, or look one up in a table of their own."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            values = [value for side in (node.left, *node.comparators) for value in ast.walk(side)]
            kinds = [v for v in values if isinstance(v, ast.Attribute) and v.attr == "kind"]
            names = [v for v in values if isinstance(v, ast.Constant) and v.value in KINDS]
            lines += [node.lineno] if kinds and names else []
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            lines += [node.lineno] if len(keys & KINDS.keys()) > 2 else []
    return lines


def test_nothing_outside_asks_for_a_kind_by_its_name():
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "kinds"]
    found = [f"{path}:{line}" for path in paths for line in asked(path.read_text(encoding="utf-8"))]
    assert paths and not found


@pytest.mark.parametrize(
    "line",
    [
        'card.kind == "tagging"',
        'x = data.card.kind != "cls"',
        'card.kind in ("cls", "span")',
        'T = {"cls": 1, "span": 2, "cloze": 3}',
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert asked(line) == [1]


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"^mine\.kind: unknown kind 'tagger'; did you mean 'tagging'\?"):
        check_card(TaskCard(name="mine", kind="tagger", metrics=["span_f1"]))
