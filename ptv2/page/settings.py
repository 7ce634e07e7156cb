"""What runs have in common and what differs between them: keys of their configs, versions and hardware."""

from collections.abc import Mapping, Sequence
from typing import Any

from ptv2.config.load import comparable
from ptv2.config.schema import Config
from ptv2.page.html import Html, table, tag
from ptv2.study.finished import Run

Path = tuple[str, ...]
OWN = (("run", "name"), ("run", "folder"), ("resume",))
"""Keys in which all runs differ, or that no result depends on."""


def between_runs(runs: Sequence[Run]) -> Html:
    """Make a table of the keys whose values differ, a column a run: of the configs, then versions and hardware."""
    if len(runs) < 2:
        return Html("")
    sides = [
        leaves(shared) | leaves({"environment": _environment(run)})
        for run, shared in zip(runs, _shared(runs), strict=True)
    ]
    keys = [key for key in differing(sides) if key not in OWN]
    if not keys:
        return tag("p", "Their configs, versions and hardware are the same.", class_="note")
    rows = [[tag("code", ".".join(key)), *(_shown(side.get(key)) for side in sides)] for key in keys]
    return table(["key", *(run.name for run in runs)], rows, texts=len(runs) + 1)


def _shared(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the configs with the cards of those tasks alone that all runs have, and the names of all cards."""
    common = set.intersection(*(set(run.config.get("tasks") or {}) for run in runs))
    configs = []
    for run in runs:
        cards = {name: card for name, card in (run.config.get("tasks") or {}).items() if name in common}
        configs.append({"cards": list(run.tasks.values())} | run.config | {"tasks": cards})
    return configs


def _environment(run: Run) -> Any:
    return (run.results or {}).get("environment")


def beside_defaults(config: Mapping[str, Any]) -> Html:
    """Make a table of a config's keys whose values are not the defaults; its cards stand apart."""
    apart = ("tasks", "run", "resume")
    sides = [
        leaves({key: value for key, value in side.items() if key not in apart})
        for side in (config, comparable(Config()))
    ]
    keys = [key for key in differing(sides) if key in sides[0]]
    rows = [[tag("code", ".".join(key)), *(_shown(side.get(key)) for side in sides)] for key in keys]
    return table(["key", "value", "default"], rows, texts=3) if rows else Html("")


def leaves(values: Any, path: Path = ()) -> dict[Path, Any]:
    """Return the values of nested mappings by the keys on the way to them."""
    if not isinstance(values, Mapping) or not values:
        return {path: values}
    return {key: leaf for name, inner in values.items() for key, leaf in leaves(inner, (*path, str(name))).items()}


def differing(sides: Sequence[Mapping[Path, Any]]) -> list[Path]:
    """List the paths whose values are not the same on all sides; one that is missing is like one without a value."""
    paths = dict.fromkeys(path for side in sides for path in side)
    return [path for path in paths if any(_value(side, path) != _value(sides[0], path) for side in sides)]


def _value(side: Mapping[Path, Any], path: Path) -> Any:
    return None if (value := side.get(path)) in ({}, []) else value


def _shown(value: Any) -> object:
    if value is None or value in ({}, []):
        return "-"
    return tag("code", ", ".join(map(str, value)) if isinstance(value, list) else value)
