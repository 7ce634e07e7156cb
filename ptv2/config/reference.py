"""The reference of the config: what docs/config.md and `ptv2 fit --help-config KEY` say about each key.

`python -m ptv2.config.reference` prints the page.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from omegaconf import MISSING

from ptv2.config.cards import TaskCard
from ptv2.config.keys import keys_of, of_origin, options
from ptv2.config.schema import AUTO, AUTO_KEYS, Config
from ptv2.errors import UserError, nearest

HEAD = """\
# Config reference

Every key of a config, from the schema (`schema.py`, `methods.py` and `cards.py` in `ptv2/config/`). A config file holds
them as YAML; `KEY=VALUE` on the command line overrides one: `optim.lr=0.01 prompt.layers=top:6`.
`ptv2 fit --help-config KEY` prints an entry of this page.

Where nothing sets a key whose default is `auto`, the run chooses its value by method, kind of task, rows and backbone,
says it with its reason, and writes it into the run's config (see [defaults](defaults.md)); `preset: official` takes
the values of the paper's code instead.

A key that takes text takes it as it stands, in a file and on the command line: `run.name=007`, `run.name=no`. `null`
is text only in quotes. `data.limit=null` and `data.limit={}` empty a mapping.
"""


@dataclass(frozen=True)
class Entry:
    """A key that holds a value."""

    key: str  # in full, e.g. optim.lr
    takes: str  # type, words or range
    default: str  # as YAML, or "required"
    comment: str
    open: bool  # whether names of the user's own stand below it, as in data.limit.train


@dataclass(frozen=True)
class Group:
    """A key with keys below it; the root has no name."""

    key: str
    comment: str
    entries: tuple[Entry, ...]


@cache
def groups() -> tuple[Group, ...]:
    """List all groups in the order of the schema, the root first."""
    return tuple(_groups(Config, ""))


def describe(key: str) -> str:
    """Explain one key, or list the keys of a group.

    Raises:
        UserError: there is no such key; names the nearest.
    """
    names = key.split(".")
    if names[0] == "task":  # short for the only one of `tasks`
        names = ["tasks", "NAME", *names[1:]]
    elif names[0] == "tasks":
        names[1:2] = ["NAME"]
    wanted = ".".join(names)
    found = {group.key: group for group in groups() if group.key}
    if wanted in found:
        lines = [f"{wanted}: {found[wanted].comment}", *(f"  {_line(entry)}" for entry in found[wanted].entries)]
        below = [group for group in groups() if group.key and group.key.rpartition(".")[0] == wanted]
        return "\n".join([*lines, *(f"  {group.key}: {group.comment}" for group in below)])
    entries = {entry.key: entry for group in groups() for entry in group.entries}
    for at in range(len(names), 0, -1):
        entry = entries.get(".".join(names[:at]))
        if entry is not None and (at == len(names) or entry.open):
            return _line(entry)
    raise UserError(f"unknown key '{key}'", where="command line", do=nearest(wanted, [*found, *entries]))


def reference() -> str:
    """Write the page docs/config.md."""
    parts = [HEAD]
    for group in groups():
        parts.append(f"\n## {f'`{group.key}`' if group.key else 'Top level'}\n\n{group.comment}\n")
        parts.append("\n| key | takes | default | |\n|---|---|---|---|\n")
        for entry in group.entries:
            default = f"`{entry.default}`" if entry.default != "required" else entry.default
            cells = [f"`{entry.key}`", *map(_escaped, (entry.takes, default, entry.comment))]
            parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def _escaped(text: str) -> str:
    """Write a text as a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _line(entry: Entry) -> str:
    default = f" (default: {entry.default})" if entry.default != "required" else " (required)"
    return f"{entry.key}: {entry.takes}{default}{'; ' if entry.comment else ''}{entry.comment}"


def _groups(schema: type, key: str) -> Iterator[Group]:
    """Make the group of a dataclass and those below it."""
    comments, entries, below = _comments(schema), [], []
    for name, found in keys_of(schema).items():
        full = f"{key}.{name}".removeprefix(".")
        if is_dataclass(found.type):
            below.append((found.type, full))
        else:
            takes_names = Any in options(found.type) or of_origin(found.type, dict) is not None
            is_open = takes_names and found.type != dict[str, TaskCard]
            entries.append(Entry(full, _takes(found), _default(found, full), comments.get(found.name, ""), is_open))
        if found.type == dict[str, TaskCard]:
            below.insert(0, (TaskCard, f"{full}.NAME"))
    yield Group(key, " ".join((inspect.getdoc(schema) or "").split()), tuple(entries))
    for inner, full in below:
        yield from _groups(inner, full)


def _takes(found: Field) -> str:
    """Describe in words what a key takes."""
    within = found.metadata.get("range")
    kinds = [_type(kind) for kind in options(found.metadata.get("reads", found.type))]
    if within is not None:
        kinds[0] = f"{kinds[0]} ({within.words.removeprefix('a number ')})"
    return " or ".join(kinds)


def _type(kind: Any) -> str:
    if of_origin(kind, Literal) is not None:
        return " | ".join(get_args(kind))
    if get_origin(kind) is dict:
        return f"mapping of names to {_type(get_args(kind)[1])}"
    if get_origin(kind) is list:
        return f"list of {_type(get_args(kind)[0])}"
    if kind is TaskCard:
        return "cards"
    if len(options(kind)) > 1:
        return " or ".join(map(_type, options(kind)))
    names = {str: "text", int: "whole number", float: "number", bool: "true | false", NoneType: "null", Any: "value"}
    return names[kind]


def _default(found: Field, key: str) -> str:
    """Write the default as YAML, or that there is none."""
    official = _official(found)
    return f"{AUTO} (official: {official})" if key in AUTO_KEYS else official


def _official(found: Field) -> str:
    value = found.default if found.default_factory is NO_DEFAULT else found.default_factory()
    if value == MISSING:
        return "required"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {inner}" for name, inner in value.items()) + "}"
    return json.dumps(value) if value is None or value == "" or isinstance(value, bool) else str(value)


def _comments(schema: type) -> dict[str, str]:
    """Map each field to the comment behind it in the source, or to that of the lines above it."""
    lines = inspect.getsource(schema).splitlines()
    (made,) = ast.parse("\n".join(lines)).body
    assert isinstance(made, ast.ClassDef)
    comments = {}
    for node in made.body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        assert node.end_lineno is not None  # ast.parse sets it
        behind = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode().strip()
        above, at = [], node.lineno - 2
        while lines[at].strip().startswith("#"):
            above.insert(0, lines[at])
            at -= 1
        comments[node.target.id] = " ".join(line.strip().removeprefix("#").strip() for line in [*above, behind]).strip()
    return comments


if __name__ == "__main__":
    print(reference(), end="")
