"""A study on the page: the table and the figure that `ptv2.compare --config` wrote, and the curves of its runs."""

import base64
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ptv2.errors import UserError
from ptv2.page.html import Html, folded, join, section, table, tag
from ptv2.page.runs_part import curves_part
from ptv2.study.finished import Run, read_run

TABLE, FIGURE, STUDY = "table.md", "figure.svg", "study.yaml"


def is_study(folder: Path) -> bool:
    """Tell whether a folder is that of a study: of its cells, or of its results alone."""
    return any((folder / name).is_file() for name in (STUDY, TABLE))


def study_part(folder: Path) -> tuple[str, Html]:
    """Return the title of a study and what there is of it.

    Raises:
        UserError: its table has not been written here.
    """
    if not (folder / TABLE).is_file():
        do = "write it with python -m ptv2.compare --config FILE --table, or give the folder that its key results names"
        raise UserError(f"no {TABLE} here", where=folder, do=do)
    title, heads, rows, notes = read_markdown((folder / TABLE).read_text(encoding="utf-8", errors="replace"))
    texts = next((i for i, cell in enumerate(rows[0]) if re.fullmatch(r"[-+]?[\d.,]+( ± .*)?", cell)), 1) if rows else 1
    parts = [table(heads, rows, texts=max(texts, 1)), *(prose(note) for note in notes)]
    parts = [section("Scores", *parts)]
    figure = folder / FIGURE
    if figure.is_file():
        data = base64.b64encode(figure.read_bytes()).decode()
        image = tag("img", src=f"data:image/svg+xml;base64,{data}", alt=f"Figure of {title}", class_="figure")
        parts.append(section("Figure", image))
    by_task: dict[str, dict[str, list[Run]]] = {}
    for task, method, run in cells_in(folder):
        by_task.setdefault(task, {}).setdefault(method, []).append(run)
    curves = [
        folded(task, curves_part(list(methods.items()), only=("validation/score",)))
        for task, methods in by_task.items()
    ]
    parts.append(section("Curves of the mean validation score", *curves))
    if (folder / STUDY).is_file():
        text = (folder / STUDY).read_text(encoding="utf-8", errors="replace")
        parts.append(section("What was compared", folded(STUDY, tag("pre", text))))
    return title, join(parts)


def cells_in(folder: Path) -> Iterator[tuple[str, str, Run]]:
    """Yield task, method and run of each cell whose folder is here, `<method>/<task>/<seed>`."""
    for path in sorted(folder.glob("*/*/*")):
        if path.name.isdigit() and path.is_dir() and (run := read_run(path)) is not None:
            yield path.parent.name, path.parent.parent.name, run


def read_markdown(text: str) -> tuple[str, list[str], list[list[str]], list[str]]:
    """Read a table as `ptv2.study.table.markdown` writes it: title, columns, rows of cells, paragraphs below."""
    lines = text.splitlines()
    title = next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "Study")
    inner = [line.removeprefix("|").removesuffix("|") for line in lines if line.startswith("|")]
    cells = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)] for line in inner]
    heads, rows = (cells[0], cells[2:]) if cells else ([], [])
    notes = [line for line in lines if line.strip() and not line.startswith(("|", "# "))]
    return title, heads, rows, notes


def prose(note: str) -> Html:
    """Write a paragraph or a point of a list, with `code` as such."""
    parts: Sequence[str] = note.removeprefix("- ").split("`")
    inside = [tag("code", part) if i % 2 else part for i, part in enumerate(parts)]
    return tag("p", "• " if note.startswith("- ") else None, *inside, class_="note")
