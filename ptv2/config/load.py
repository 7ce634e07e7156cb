"""How a config file and `key=value` overrides become a config.

`task: NAME` is short for the card of that name; keys of the card can be overridden like any other
(`task.max_length=64`). `tasks: {a: NAME, ...}` is the same for several.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf

from ptv2.config import overrides as line
from ptv2.config.auto import take_auto
from ptv2.config.cards import TaskCard, read_card
from ptv2.config.check import check
from ptv2.config.keys import keys_of
from ptv2.config.local import with_local_rows
from ptv2.config.merge import check_complete, merge_part, read_mapping, schema_of
from ptv2.config.schema import AUTO, Config
from ptv2.config.trainer_keys import without_nulls
from ptv2.errors import UserError
from ptv2.runtime.imports import load_files

KEYS = {key: f.type for key, f in keys_of(Config).items()} | {"task": TaskCard}
"""The keys of a config file -> their types."""
PLACED = r"tasks?\.([\w-]+\.)?dataset(\.path|\.data_files[\w.]*)?="  # an override that says where rows are


def comparable(config: Config) -> dict[str, Any]:
    """Return the config as plain values, without the keys that only say how to treat the run folder."""
    plain = to_plain(config)
    del plain["run"]["overwrite"], plain["resume"]
    return plain


def load_config(
    config: str | Path | Mapping[str, Any], overrides: list[str] | None = None, imports: Sequence[str] = ()
) -> Config:
    """Read a config file or mapping, apply `key=value` overrides, expand every task card, and check all of it.

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
        values, where = read_mapping(path, "a config", KEYS), str(path)
        _find_cards(values, path.parent)
        values.setdefault("run", {})
        if isinstance(values["run"], dict):
            values["run"].setdefault("name", path.stem)
    if imports:
        values["import"] = [*(values.get("import") or []), *map(str, imports)]
    return make_config(values, overrides or [], where=where)


def make_config(values: dict[str, Any], overrides: Sequence[str] = (), where: str = "config") -> Config:
    """Make a checked `Config` from plain values; see `load_config`."""
    values, rest = _replace_task(dict(values), list(overrides))
    values["tasks"] = _expand_tasks(values, rest, where)
    values, rest, auto = take_auto(values, rest)
    merged = merge_part(schema_of(Config), values, where)
    for item in rest:
        line.override(merged, item)
    check_complete(merged, where)
    made = cast(Config, OmegaConf.to_object(merged))
    config = replace(made, auto=auto, preset=AUTO, trainer=without_nulls(made.trainer))  # preset has done its work
    load_files(config.imports)  # what they register may be named in the config
    check(config, where)
    _hand_on_template(config)
    return config


def _hand_on_template(config: Config) -> None:
    """Give each card the template and verbalizer of `ptuning`, unless it has its own."""
    for card in config.tasks.values():
        if config.ptuning.template is not None:
            card.options.setdefault("template", config.ptuning.template)
            if config.ptuning.verbalizer:
                card.options.setdefault("verbalizer", config.ptuning.verbalizer)


def to_plain(config: Config) -> dict[str, Any]:
    """Turn the config into plain dicts, lists and scalars: what the run folder and checkpoints hold.

    A key that is not chosen yet is `auto`, so that there is no need of the preset.
    """
    plain = _plain(config)
    for section, _, name in (key.partition(".") for key in config.auto):
        plain[section][name] = AUTO
    return {key: plain[f.name] for key, f in keys_of(Config).items() if key != "preset"}


def _plain(value: Any) -> Any:
    """Turn dataclasses into dicts, at any depth; OmegaConf's own way takes a hundred times as long."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _find_cards(values: dict[str, Any], folder: Path) -> None:
    """Find card files that a config file names beside it, where they are not found from where the command runs."""

    def found(card: Any) -> Any:
        beside = isinstance(card, str) and card.endswith((".yaml", ".yml")) and not Path(card).is_file()
        return str(folder / card) if beside and (folder / card).is_file() else card

    def with_card(task: Any) -> Any:
        return task | {"card": found(task["card"])} if isinstance(task, dict) and "card" in task else found(task)

    if "task" in values:
        values["task"] = with_card(values["task"])
    if isinstance(values.get("tasks"), dict):
        values["tasks"] = {name: with_card(task) for name, task in values["tasks"].items()}


def _replace_task(values: dict[str, Any], overrides: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Let `task=` or `tasks=` on the command line replace the file's tasks; hand the other overrides back."""
    rest = []
    for item in overrides:
        key, _, text = item.partition("=")
        if key not in ("task", "tasks") or key == item:
            rest.append(item)
            continue
        values = {name: value for name, value in values.items() if name not in ("task", "tasks")}
        values[key] = read_tasks(key, text)
    return values, rest


def read_tasks(key: str, text: str) -> Any:
    """Read what `task=` or `tasks=` on the command line says: a card's name as it stands, or a mapping in braces.

    Raises:
        UserError: it cannot be read.
    """
    named = key == "task" and not text.lstrip().startswith("{")
    return line.read(key, text, str if named else KEYS[key])


def _expand_tasks(values: dict[str, Any], overrides: Sequence[str], where: str) -> dict[str, Any]:
    """Make each entry of the `tasks` mapping a whole card."""
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
            raise UserError(f"'{key}' is not a valid task name", where=where, do="use letters, digits, _ and -")
        if not isinstance(entry, (str, dict)):
            raise UserError(f"{at} is {entry!r}", where=where, do="give a card's name, or a mapping of its keys")
        entry = {"card": entry} if isinstance(entry, str) else dict(entry)
        card = entry.pop("card", None)
        if card is not None:
            own = entry.get("dataset") or any(re.match(PLACED, item) for item in overrides)
            read = read_card(str(card))
            entry = OmegaConf.to_container(OmegaConf.merge(read if own is True else with_local_rows(read, own), entry))
        expanded[str(key)] = entry
    return expanded
