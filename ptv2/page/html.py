"""HTML from nested calls: text is escaped where it is put in, so no text of a user can become markup."""

import html
import re
from collections.abc import Iterable, Sequence

from ptv2.page.style import STYLE

EMPTY = frozenset({"meta", "img", "circle", "line", "path"})  # those of SVG have to be closed, too
SHORT = 40  # characters of a text that is not broken into lines
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page asks of the browser: run no script and fetch nothing, whatever stands in it."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # what HTML or UTF-8 cannot hold


class Html(str):
    """Text that is markup already."""


def escape(text: object) -> Html:
    """Write any value so that a browser shows it as it stands; markup is left as it is."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(CONTROL.sub("\ufffd", str(text))))


def join(parts: Iterable[object]) -> Html:
    """Put parts one after the other; None is left out."""
    return Html("".join(escape(part) for part in parts if part is not None))


def tag(name: str, /, *inside: object, **attributes: object) -> Html:
    """Make an element: `tag("td", 0.5, class_="number")`; an attribute that is None is left out."""
    named = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    written = "".join(f' {key}="{escape(value)}"' for key, value in named)
    return Html(f"<{name}{written}/>" if name in EMPTY else f"<{name}{written}>{join(inside)}</{name}>")


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], texts: int = 1) -> Html:
    """Make a table whose first `texts` columns are texts; the others stand to the right, as numbers do."""

    def line(cells: Sequence[object], kind: str) -> Html:
        return tag("tr", *(tag(kind, cell, class_=look(i, cell)) for i, cell in enumerate(cells)))

    def look(column: int, cell: object) -> str | None:
        short = "short" if not isinstance(cell, Html) and len(str(cell)) <= SHORT else None
        return short if column < texts else "number"

    made = tag("table", tag("thead", line(heads, "th")), tag("tbody", *(line(row, "td") for row in rows)))
    return tag("div", made, class_="wide")


def pairs(values: Iterable[tuple[str, object]]) -> Html:
    """Make a list of names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in values))


def folded(title: object, *inside: object, open_: bool = False) -> Html:
    """Make a part that is shown once its title is clicked, or from the start."""
    return tag("details", tag("summary", title), *inside, open="" if open_ else None)


def section(title: str, *inside: object) -> Html:
    """Make a section, or nothing where it would be empty."""
    body = join(inside)
    return tag("section", tag("h2", title), body) if body else body


def document(title: str, *body: object) -> str:
    """Make the page."""
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("style", Html(STYLE)),
        ]
    )
    page = tag("html", tag("head", head), "\n", tag("body", tag("h1", title), *body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"
