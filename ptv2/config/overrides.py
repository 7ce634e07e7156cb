"""Overrides as Python has them, written as the command line has them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def as_overrides(overrides: Iterable[str] | Mapping[str, Any]) -> list[str]:
    """`key=value` words of a mapping `{"optim.lr": 0.01}`; words are handed on as they are."""
    if not isinstance(overrides, Mapping):
        return [overrides] if isinstance(overrides, str) else list(overrides)
    return [f"{key}={_text(value)}" for key, value in overrides.items()]


def _text(value: Any) -> str:
    """The value in YAML, of which JSON is a part; a text stands as it is."""
    if value is None or isinstance(value, bool | int | float | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
