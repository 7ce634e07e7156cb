"""The documentation as a site: what is generated is up to date, every page is in the menu, and nothing is fetched."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import outside
import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("script", ["api", "compatibility", "paper"])
def test_a_generated_page_is_what_its_script_writes(script):
    made = import_module(script)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run: python docs/{script}.py"


def menu(entries: list) -> list[str]:
    """Every page that a menu leads to, in its order."""
    found = []
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            found += menu(value) if isinstance(value, list) else [value]
    return found


def test_every_page_is_in_the_menu_once():
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    tables = {path for path in outside.outside() if path.startswith("experiments/")}
    pages += [outside.in_site(path) for path in {*outside.outside()} - tables if path.endswith(".md")]
    shown = menu(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(set(shown) - tables) == sorted(pages) and len(set(shown)) == len(shown)


@pytest.mark.parametrize(
    ("page", "link", "led"),
    [
        ("index.md", "docs/tasks.md", "tasks.md"),  # the README
        ("index.md", "docs/idea.svg", "idea.svg"),
        ("index.md", "experiments/methods/table.md", "experiments/methods/table.md"),
        ("forms.md", "../experiments/methods/table.md", "experiments/methods/table.md"),
        ("forms.md", "extending.md", "extending.md"),
        ("studies.md", "../README.md", "index.md"),
        ("tutorials/csv.md", "../tasks.md", "../tasks.md"),
        ("tutorials/csv.md", "../../experiments/methods/table.md", "../experiments/methods/table.md"),
        ("CONTRIBUTING.md", "docs/tasks.md", "tasks.md"),
        ("forms.md", "https://arxiv.org/abs/2310.19698", "https://arxiv.org/abs/2310.19698"),
        ("forms.md", "nowhere.md", "nowhere.md"),
    ],
)
def test_links_of_a_checkout_are_led_to_their_place_in_the_site(page, link, led):
    assert outside.led(f"[a]({link}) [b]({link}#part)", page) == f"[a]({led}) [b]({led}#part)"


def test_code_is_no_link():
    text = "first, second = (METHODS[method](Config(method=method), backbone) for backbone in (plain, compiled))"
    assert outside.led(text, "extending.md") == text


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 40
    loaded = (
        r'<(?:script|img|iframe)\b[^>]*\bsrc="?(?:https?:)?//|<link\b[^>]*rel="?stylesheet[^>]*href="?(?:https?:)?//'
    )
    assert [path.name for path in pages if re.search(loaded, path.read_text(encoding="utf-8"))] == []
    assert not [path for path in tmp_path.rglob("*.css") if re.search(r"url\([\"']?(?:https?:)?//", path.read_text())]
