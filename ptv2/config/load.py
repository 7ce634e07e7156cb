"""How a config file and `key=value` overrides become a config.

`task: NAME` is short for the card of that name; keys of the card can
be overridden like any other (`task.max_length=64`). `tasks: {a: NAME, ...}` is the same for several.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ptv2.config.cards import make_card, read_card
from ptv2.config.check import check
from ptv2.config.merge import merge, read_mapping
from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest
from ptv2.runtime.imports import load_files


def comparable(config: Config) -> dict[str, Any]:
    """The config without what only says how to treat the folder."""
    plain = to_plain(config)
    del plain["run"]["overwrite"], plain["resume"]
    return plain


def load_config(
    config: str | Path | Mapping[str, Any], overrides: list[str] | None = None, imports: Sequence[str] = ()
) -> Config:
    """The config in a file or a mapping, every task card expanded, all of it checked.

    Args:
        config: path of a YAML file, or the mapping that it would hold.
        overrides: `key=value`, applied to it.
        imports: files that are imported beside those that it names.

    Raises:
        UserError: unreadable file, unknown key, wrong type, impossible value, unknown card.
    """
    if isinstance(config, Mapping):
        values, where = deepcopy(dict(config)), "config"
    else:
        path = Path(config)
        if not path.is_file():
            raise UserError("no such config file", where=path)
        values, where = read_mapping(path, "a config"), str(path)
        values.setdefault("run", {})
        if isinstance(values["run"], dict):
            values["run"].setdefault("name", path.stem)
    if imports:
        values["imports"] = [*(values.pop("import", None) or values.get("imports") or []), *map(str, imports)]
    return make_config(values, overrides or [], where=where)


def make_config(values: dict[str, Any], overrides: list[str] = (), where: str = "config") -> Config:
    """A checked `Config` from plain values; see `load_config`."""
    values, rest = _replace_task(dict(values), list(overrides))
    if "import" in values:  # a word of Python: no field of a dataclass can have it
        values["imports"] = values.pop("import")
    tasks = _expand_tasks(values, where)
    values["tasks"] = tasks
    base = merge(OmegaConf.structured(Config), values, where=where)
    merged = merge(base, _nested(rest, tasks), where="command line")
    plain = OmegaConf.to_container(merged, resolve=True)
    for name, mapping in plain["tasks"].items():
        make_card(mapping, where=f"tasks.{name}")
    config: Config = OmegaConf.to_object(merged)
    load_files(config.imports)  # what they register may be named in the config
    check(config, where)
    return config


def to_plain(config: Config) -> dict[str, Any]:
    """The config as plain dicts, lists and scalars: what the run folder and checkpoints hold."""
    return OmegaConf.to_container(OmegaConf.structured(config), resolve=True)


def _replace_task(values: dict[str, Any], overrides: list[str]) -> tuple[dict[str, Any], list[str]]:
    """`task=NAME` on the command line replaces the file's task; the other overrides are handed back."""
    rest = []
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UserError(f"'{item}' is not key=value", where="command line", do="write e.g. optim.lr=0.01")
        if key == "task":
            values.pop("tasks", None)
            values["task"] = value
        else:
            rest.append(item)
    return values, rest


def _expand_tasks(values: dict[str, Any], where: str) -> dict[str, Any]:
    """The `tasks` mapping with each entry a whole card."""
    single, several = values.pop("task", None), values.pop("tasks", None)
    if (single is None) == (several is None):
        raise UserError("give either 'task' or 'tasks'", where=where, do="e.g. task: demo/bbc_topic")
    if single is not None:
        name = (single.get("card") or single.get("name")) if isinstance(single, dict) else single
        several = {Path(name).stem.replace(".", "_") if isinstance(name, str) else "task": single}
    if not isinstance(several, dict) or not several:
        raise UserError("'tasks' is a mapping of names to cards", where=where, do="e.g. tasks: {rte: glue/rte}")
    expanded = {}
    for key, entry in several.items():
        at = "'task'" if single is not None else f"'tasks.{key}'"
        if not re.fullmatch(r"[\w-]+", str(key)):
            raise UserError(f"'{key}' is no name for a task", where=where, do="use letters, digits, _ and -")
        if not isinstance(entry, (str, dict)):
            raise UserError(f"{at} is {entry!r}", where=where, do="give a card's name, or a mapping of its keys")
        entry = {"card": entry} if isinstance(entry, str) else dict(entry)
        card = entry.pop("card", None)
        if card is not None:
            entry = OmegaConf.to_container(OmegaConf.merge(read_card(str(card)), entry))
        expanded[str(key)] = entry
    return expanded


def _nested(overrides: list[str], tasks: dict[str, Any]) -> dict[str, Any]:
    """`key=value` overrides as nested mappings, their values read as YAML."""
    nested = OmegaConf.create()
    for item in overrides:
        try:
            nested.merge_with_dotlist([_full_key(item, tasks)])
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            raise UserError(f"'{item}': unreadable value ({error})", where="command line") from error
    return OmegaConf.to_container(nested)


def _full_key(item: str, tasks: dict[str, Any]) -> str:
    """`task.KEY=VALUE` is short for `tasks.<the only task>.KEY=VALUE`."""
    first, _, rest = item.partition(".")
    if first == "task" and len(tasks) != 1:
        raise UserError(f"'{item}' is unclear with {len(tasks)} tasks", where="command line", do="write tasks.NAME.KEY")
    if first == "task":
        return f"tasks.{next(iter(tasks))}.{rest}"
    if first == "tasks" and (name := rest.partition(".")[0].partition("=")[0]) not in tasks:
        raise UserError(f"unknown task '{name}'", where="command line", do=nearest(name, tasks))
    return item
