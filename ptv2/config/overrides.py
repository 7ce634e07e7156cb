"""`key=value` on the command line: which key it names, and what its text says there."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ptv2.config.keys import keys_of, of_origin, type_at
from ptv2.config.merge import explained, fitted
from ptv2.config.schema import Config
from ptv2.config.text import load, value_of
from ptv2.errors import UserError, nearest

WHERE = "command line"
BREAKS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
"""Line breaks of YAML that JSON leaves as they are."""
QUOTE = "quote it, as in 'task.inputs={text: premise}': the shell changes unquoted spaces, brackets and braces"


def split(item: str) -> tuple[str, str]:
    """Split `key=value`.

    Raises:
        UserError: it is something else.
    """
    key, equals, text = item.partition("=")
    if not equals or not key:
        do = "write e.g. optim.lr=0.01, in quotes where the value has spaces, brackets or braces"
        raise UserError(f"'{item}' is not key=value", where=WHERE, do=do)
    return key, text


def read(key: str, text: str, kind: Any) -> Any:
    """Read the text that stands for a value of the type `kind`.

    Raises:
        UserError: it cannot be read as one.
    """
    try:
        return value_of(text, kind)
    except ValueError as error:
        raise UserError(f"'{key}={text}': unreadable value: {error}", where=WHERE, do=QUOTE) from error


def override(config: DictConfig, item: str) -> None:
    """Set one key of a structured config; null and {} empty a mapping, other mappings add to it.

    Raises:
        UserError: an unknown key or task, or a value that does not fit.
    """
    key, text = split(item)
    names = _full_names(key.split("."), item, list(config.tasks))
    kind = type_at(Config, names)
    value = read(key, text, kind)
    emptied = value in ({}, None) and of_origin(kind, dict) is not None
    nested = {} if emptied else value
    for name in reversed(names):
        nested = {name: nested}
    nested = fitted(Config, nested, WHERE)
    *above, last = [keys_of(Config)[names[0]].name, *names[1:]]
    for name in (*above, last):
        nested = nested[name]
    with explained(WHERE):
        OmegaConf.update(config, ".".join((*above, last)), nested, merge=not emptied)


def _full_names(names: list[str], item: str, tasks: list[str]) -> list[str]:
    """Write `task.KEY` out as `tasks.<the only task>.KEY`."""
    if names[0] == "task" and len(tasks) != 1:
        raise UserError(f"'{item}' is ambiguous with {len(tasks)} tasks", where=WHERE, do="write tasks.NAME.KEY")
    if names[0] == "task":
        return ["tasks", tasks[0], *names[1:]]
    if names[0] == "tasks" and len(names) > 1 and names[1] not in tasks:
        raise UserError(f"unknown task '{names[1]}'", where=WHERE, do=nearest(names[1], tasks))
    return names


def as_overrides(overrides: Iterable[str] | Mapping[str, Any]) -> list[str]:
    """Write a mapping `{"optim.lr": 0.01}` as the command line has it; words are handed on as they are."""
    if not isinstance(overrides, Mapping):
        return [overrides] if isinstance(overrides, str) else list(overrides)
    return [f"{key}={_text(value)}" for key, value in overrides.items()]


def _text(value: Any) -> str:
    """Write a value as YAML, of which JSON is a part; a text as it stands, or in quotes where YAML would change it."""
    if not (value is None or isinstance(value, bool | int | float | list | tuple | dict)):
        value = str(value)
        if not _changed(value):
            return value
    return json.dumps(value, ensure_ascii=False).translate(BREAKS)


def _changed(text: str) -> bool:
    """Tell whether YAML reads this text as another one or as a mapping; lists and mappings in brackets are meant."""
    try:
        value = load(text, Any, flags=True)
    except ValueError:
        return True
    if value is None:
        return text.strip().lower() not in ("", "~", "null")
    if text[:1] in ("{", "["):
        return False
    return isinstance(value, dict | list) or (isinstance(value, str) and value != text)
