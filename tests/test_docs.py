"""The pages on cards and kinds name what there is, and their examples do what they say."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from experiments.defaults import beside
from ptv2.config.cards import DatasetCard, TaskCard, make_card
from ptv2.kinds import KINDS
from ptv2.kinds.check import check_card
from ptv2.kinds.templates import fill
from ptv2.metrics.table import metrics_of

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
        assert set(re.findall(r"`(\w+)`", metrics)) == set(metrics_of(kind))
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
    assert fill(yaml.safe_load(template), json.loads(row), lambda: "here") == filled


def test_the_readme_counts_the_faults_of_their_table():
    page, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/faults.md", "README.md"))
    said = [re.search(r"(\d+) faults injected", text)[1] for text in (page, readme)]
    times = [int(times) for times in re.findall(r"^\| (\d+) \|", page, flags=re.M)]
    assert said[0] == said[1] == str(sum(times))


PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for folder in ("docs", "experiments", ".github") for page in sorted(ROOT.glob(f"{folder}/**/*.md"))),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_files_that_a_page_names_are_there(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:ptv2|tests|configs|experiments|docs)/[\w./-]*)`", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_architecture_names_what_its_files_define():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    pairs = [
        (file, name)
        for file, names in re.findall(r"`(ptv2/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", text)
        for name in re.findall(r"`(\w+)`", names)
    ]
    assert len(pairs) > 20
    sources = {file: (ROOT / file).read_text(encoding="utf-8") for file, _ in pairs}
    assert [pair for pair in pairs if not re.search(rf"^ *(?:class|def) {pair[1]}\b", sources[pair[0]], re.M)] == []


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    texts = [path.read_text(encoding="utf-8") for path in (*PAGES, *workflows)]
    named = {name for text in texts for name in re.findall(r"(?:^ {4}|`|run: )make ([a-z-]+)", text, flags=re.M)}
    nightly = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8"))
    named |= set(nightly["jobs"]["slow"]["strategy"]["matrix"]["target"])
    assert {"lint", "test", "test-slow"} <= named <= targets


def test_what_the_readme_says_of_the_methods_study_stands_in_its_table():
    readme, table = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "experiments/methods/table.md")
    )
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "]
    means = [dict(zip(lines[0], line, strict=True)) for line in lines[1:] if line[0] == "mean of 5 tasks"]
    scores = {mean["method"]: mean for mean in means}
    assert scores["deep-values-slots"]["share"] == "0.656 %"
    for method in ("deep-values-slots", "full", "lora", "deep-kv"):
        assert scores[method]["score"] in readme, method


def test_what_the_page_of_defaults_says_of_sizes_follows_from_the_tables_and_the_rules():
    page = (ROOT / "docs" / "defaults.md").read_text(encoding="utf-8")
    assert beside.told([kind for name in beside.STUDIES for kind in beside.kinds(name)]) in page


def test_the_scores_of_the_quickstart_are_those_of_its_study():
    rows = (ROOT / "experiments" / "demo" / "table.jsonl").read_text(encoding="utf-8").splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in map(json.loads, rows):
        assert f"{row['mean']['score']:.3f} ± {row['std']['score']:.3f}" in readme, row["method"]
