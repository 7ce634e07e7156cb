"""Bring files from outside of docs/ into the site: the README as its first page, tables and figures of the studies.

A hook of mkdocs (`hooks` in mkdocs.yml). Such a file keeps its path from the top of the checkout, and links between
pages, which are written for a checkout, are led to the place that each has in the site.
"""

import re
from os.path import normpath, relpath
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
FIRST = "README.md"  # index.md in the site
PAGES = (FIRST, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "experiments/**/table.md")
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=(?:#[^)\s]*)?\))")


def outside() -> list[str]:
    """List the files that join the site, by their path in the checkout: pages, and what any page links to."""
    pages = [path for name in PAGES for path in ROOT.glob(name)]
    linked = set(pages)
    for page in (*pages, *ROOT.glob("docs/**/*.md")):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            linked.add(Path(normpath(page.parent / target)))
    within = [path.relative_to(ROOT) for path in linked if path.is_file() and path.is_relative_to(ROOT)]
    return sorted(path.as_posix() for path in within if path.parts[0] != "docs")


def in_site(path: str) -> str:
    """Return where a file of the checkout stands in the site."""
    return "index.md" if path == FIRST else path.removeprefix("docs/")


def in_checkout(uri: str) -> str:
    """Return which file of the checkout a page of the site is."""
    if uri == "index.md":
        return FIRST
    return f"docs/{uri}" if (ROOT / "docs" / uri).exists() else uri


def led(markdown: str, uri: str) -> str:
    """Write the links of a page as the site has them; what is no file of the checkout stays as it is."""
    folder = PurePosixPath(in_checkout(uri)).parent

    def lead(found: re.Match) -> str:
        target = normpath(folder / found[1])
        return relpath(in_site(target), PurePosixPath(uri).parent) if (ROOT / target).is_file() else found[1]

    return LINK.sub(lead, markdown)


def on_files(files: "Files", config: Any) -> "Files":
    """Add what stands outside."""
    from mkdocs.structure.files import File

    for path in outside():
        files.append(File.generated(config, in_site(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead the links of a page."""
    return led(markdown, page.file.src_uri)
