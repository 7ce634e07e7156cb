"""Keys that a run chooses for itself where its config says nothing, or `auto`.

Until it has chosen, the config holds the official value of such a key, and its name in `Config.auto`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ptv2.config import overrides as line
from ptv2.config.keys import type_at
from ptv2.config.schema import AUTO, AUTO_KEYS, Config

Values = dict[str, Any]


def take_auto(values: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Values, list[str], list[str]]:
    """Take the word `auto` out of a config's values and overrides.

    Args:
        values: as a config file holds them.
        overrides: `key=value`.

    Returns:
        The values and the overrides without it, and the keys that the run chooses: those that were `auto`, and with
        `preset: auto` those that nothing sets.
    """
    values, rest = deepcopy(dict(values)), []
    said: dict[str, bool] = {}  # key -> whether its last value is auto
    _note(values, (), said)
    limited = _limited(values.get("trainer"), False)
    preset = values.get("preset", AUTO)
    for item in overrides:
        key, _, text = item.partition("=")
        below = [auto for auto in AUTO_KEYS if auto.startswith(f"{key}.")]
        if key == "preset":
            preset = text
        if key in AUTO_KEYS:
            said[key] = text.strip().strip("'\"") == AUTO
            if said[key]:
                continue
        elif below and isinstance(mapping := line.read(key, text, type_at(Config, key.split("."))), dict):
            _note(mapping, tuple(key.split(".")), said)
            limited = _limited(mapping, limited) if key == "trainer" else limited
            item = f"{key}={json.dumps(mapping)}"
        elif key == "trainer.max_steps":
            limited = _limited({"max_steps": line.read(key, text, type_at(Config, key.split(".")))}, limited)
        rest.append(item)
    if limited:
        said.setdefault("trainer.max_epochs", False)
    return values, rest, [key for key in AUTO_KEYS if said.get(key, preset != "official")]


def _limited(trainer: Any, before: bool) -> bool:
    """Tell whether `trainer` limits the steps of a run; `before` where it does not say."""
    if not isinstance(trainer, dict) or "max_steps" not in trainer:
        return before
    return trainer["max_steps"] not in (None, -1)


def _note(values: Any, above: tuple[str, ...], said: dict[str, bool]) -> None:
    """Note which keys stand in nested values, and remove those that are `auto`."""
    if not isinstance(values, dict):
        return
    for name in list(values):
        key = ".".join((*above, str(name)))
        if key in AUTO_KEYS:
            said[key] = values[name] == AUTO
            if said[key]:
                del values[name]
        elif any(auto.startswith(f"{key}.") for auto in AUTO_KEYS):
            _note(values[name], (*above, str(name)), said)


def value_at(plain: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key of plain values.

    Raises:
        KeyError: it is not there.
    """
    value: Any = plain
    for name in key.split("."):
        value = value[name]
    return value


def with_values(config: Config, values: Iterable[tuple[str, Any]]) -> Config:
    """Return the config with these values at their keys, which it chooses no more."""
    done = []
    for key, value in values:
        section, _, name = key.partition(".")
        group = getattr(config, section)
        group = group | {name: value} if isinstance(group, dict) else replace(group, **{name: value})
        config = replace(config, **{section: group})
        done.append(key)
    return replace(config, auto=[key for key in config.auto if key not in done])
