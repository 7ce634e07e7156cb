"""Texts as TensorBoard shows them: it reads Markdown, and keeps little HTML."""

import html
import re
import textwrap
from collections.abc import Sequence


def cell(text: str) -> str:
    """Escape a text so that a table's cell shows it as it is."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(text, quote=False)).replace("\n", "<br>")


def bold(text: str) -> str:
    """Highlight a text in a cell; spaces around it stay outside, where Markdown needs them."""
    bare = text.strip()
    if not bare:
        return cell(text)
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{cell(before)}<strong>{cell(bare)}</strong>{cell(after)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table; its cells are Markdown already."""
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *("| " + " | ".join(row) + " |" for row in rows)])


EXCERPT, LINE = 280, 70  # characters


def excerpt(text: str) -> str:
    """Write a text as a cell, cut in its middle and in lines: a long line would leave the other columns no room."""
    if len(text) > EXCERPT:
        first, last = text[: EXCERPT // 2], text[-EXCERPT // 2 :]
        text = f"{first.rsplit(maxsplit=1)[0]} … {last.split(maxsplit=1)[-1]}"  # at spaces, where there are some
    return cell(textwrap.fill(text, LINE))
