"""The pages on cards and kinds name what there is, and their examples do what they say."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from ptv2.config.cards import DatasetCard, TaskCard, make_card
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card
from ptv2.kinds.templates import fill

ROOT = Path(__file__).parent.parent
TASKS = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TASKS, flags=re.M | re.S)[1]


def cells(title: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize(("title", "schema"), [("A card", TaskCard), ("Where the rows are", DatasetCard)])
def test_every_field_is_explained(title, schema):
    named = [name for first, *_ in cells(title) for name in re.findall(r"`(\w+)`", first)]
    assert named == [field.name for field in fields(schema)]


def test_every_kind_is_explained():
    table = {row[0].strip("`"): row for row in cells("Kinds")}
    assert set(table) == set(KINDS)
    for kind, (_, inputs, _, _, metrics) in table.items():
        assert set(re.findall(r"`(\w+)`", metrics)) == set(KINDS[kind].features.metrics)
        roles = [
            *KINDS[kind].features.roles,
            *(role for role in KINDS[kind].features.optional_roles if role.isidentifier()),
        ]
        assert all(f"`{role}`" in inputs for role in roles)


def test_the_example_is_a_card():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", section("A card"), flags=re.M | re.S)
    check_card(make_card(yaml.safe_load(text) | {"name": "reviews"}))


@pytest.mark.parametrize("line", cells("Templates")[:3] + cells("Templates")[4:], ids=lambda line: line[0])
def test_the_templates_are_filled_as_shown(line):
    template, row, filled = (cell.replace("\\|", "|").strip("`") for cell in line)
    assert fill(template.strip('"'), json.loads(row), lambda: "here") == filled


def test_the_readme_counts_the_faults_of_their_table():
    page, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/faults.md", "README.md"))
    said = [re.search(r"(\d+) faults injected", text)[1] for text in (page, readme)]
    times = [int(times) for times in re.findall(r"^\| (\d+) \|", page, flags=re.M)]
    assert said[0] == said[1] == str(sum(times))
