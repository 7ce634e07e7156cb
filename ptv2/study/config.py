"""The config of a comparison: methods x tasks x seeds on one base, and what is chosen for all of them alike."""

import math
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from omegaconf import MISSING, OmegaConf

from ptv2.config.cards import SPLITS
from ptv2.config.check import check_folder
from ptv2.config.load import KEYS, make_config, read_tasks
from ptv2.config.merge import merge, read_mapping
from ptv2.config.schema import Config
from ptv2.config.text import load
from ptv2.config.trainer_keys import one_device
from ptv2.errors import UserError, nearest
from ptv2.methods import method_named, method_of
from ptv2.study.columns import COLUMNS

OWN = ("seed", "run.name", "run.folder", "run.overwrite", "resume", "tasks")
"""Keys of a run that the comparison sets itself."""


@dataclass
class StudyConfig:
    """The keys of a comparison's file."""

    name: str = MISSING  # default: the name of the file
    folder: str = "runs"  # the cells are <folder>/<name>/<method>/<task>/<seed>
    title: str | None = None  # of the table
    base: Any = None  # a run's config file, or its keys: what all cells have in common
    methods: dict[str, Any] = field(default_factory=dict)  # name -> list of key=value
    tasks: dict[str, Any] = field(default_factory=dict)  # name -> card, mapping of a card's keys, or list of key=value
    seeds: list[int] = field(default_factory=lambda: [1, 2, 3])
    rates: Any = None  # learning rates to try: a list for all methods, or {method: list}, all of one length
    search_seed: int | None = None  # of the runs that choose a rate; null: the first of seeds
    limit: dict[str, int] = field(default_factory=dict)  # split -> largest number of rows, as data.limit
    reference: str | None = None  # method that the others are compared to; null: the one with method=full
    jobs: int = 1  # cells that run at a time, where --jobs does not say
    skip: dict[str, list[str]] = field(default_factory=dict)  # method -> tasks for which it is not defined
    outside: str | None = None  # file of texts outside of the tasks, one a line, for forgetting; null: ours
    results: str | None = None  # folder of results.jsonl, table and figure; null: that of the cells
    columns: list[str] = field(default_factory=list)  # of the table; empty: all
    imports: list[str] = field(default_factory=list, metadata={"key": "import"})  # as in a run's config


@dataclass(frozen=True)
class Study:
    """A comparison that has been checked: `base` is read, rates are listed by method, and the reference is known."""

    config: StudyConfig
    where: str  # the file
    base: dict[str, Any]
    rates: dict[str, list[float]]
    reference: str | None
    outside: tuple[str, ...]  # empty: ours

    @property
    def folder(self) -> Path:
        return Path(self.config.folder) / self.config.name

    @property
    def results(self) -> Path:
        return Path(self.config.results) if self.config.results else self.folder

    @property
    def search_seed(self) -> int:
        return self.config.seeds[0] if self.config.search_seed is None else self.config.search_seed

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Each task with each method that is defined for it."""
        skip = self.config.skip
        return [(t, m) for t in self.config.tasks for m in self.config.methods if t not in skip.get(m, [])]

    def values(self, task: str, method: str) -> tuple[dict[str, Any], list[str]]:
        """Return the keys of a pair's runs and the overrides that follow, without rate, seed and run folder."""
        values, entry = deepcopy(self.base), self.config.tasks[task]
        overrides = list(entry) if isinstance(entry, list) else []
        cards = [item for item in overrides if item.startswith("task=")]
        card = entry
        if cards:
            card = read_tasks("task", cards[-1].partition("=")[2])
            overrides = [item for item in overrides if item not in cards]
        card = {"card": card} if isinstance(card, str) else card if isinstance(card, dict) else None
        if card is not None:
            values.pop("task", None)
            values["tasks"] = {re.sub(r"[^\w-]", "_", task): card}
        if self.config.limit:
            data = values.get("data") or {}
            values["data"] = data | {"limit": (data.get("limit") or {}) | self.config.limit}
        values["run"] = {
            key: value for key, value in (values.get("run") or {}).items() if key not in ("name", "folder")
        }
        if self.config.imports:
            values["import"] = [*(values.get("import") or []), *self.config.imports]
        return values, [*overrides, *(self.config.methods[method] or []), "resume=auto"]

    def run_config(self, task: str, method: str, overrides: Sequence[str] = ()) -> Config:
        """Make the config of a pair's runs.

        Raises:
            UserError: it cannot be one.
        """
        values, own = self.values(task, method)
        values["run"] |= {"name": f"{self.config.name}/{method}/{task}", "folder": self.config.folder}
        try:
            config = make_config(values, [*own, *overrides], where="base")
            method_of(config)
        except UserError as error:
            raise UserError(str(error), where=f"{self.where}: method '{method}' on task '{task}'") from error
        if len(config.tasks) != 1:
            what = f"task '{task}' makes runs of {len(config.tasks)} tasks"
            raise UserError(what, where=self.where, do="give it one card")
        if not one_device(config.trainer):
            what = f"trainer.devices is {config.trainer['devices']}, but a cell runs on one device"
            raise UserError(what, where=self.where, do="set it to 1; --jobs and --slurm run cells beside each other")
        return config


def read_study(path: Path, imports: Sequence[str] = ()) -> Study:
    """Read the file of a comparison and check all of it.

    Raises:
        UserError: at the first thing that cannot be.
    """
    if not path.is_file():
        raise UserError("no such config file", where=path)
    values = read_mapping(path, "a comparison", StudyConfig)
    values.setdefault("name", path.stem)
    if imports:
        values["import"] = [*(values.get("import") or []), *map(str, imports)]
    as_written = {key: values.pop(key) for key in ("base", "methods", "tasks") if key in values}
    merged = merge(OmegaConf.structured(StudyConfig), values, str(path))
    config = cast(StudyConfig, OmegaConf.to_object(merged))
    for key, value in as_written.items():  # what they refer to by ${...} is filled in by each run
        setattr(config, key, value)
    _check_names(config, path)
    if config.jobs < 1:
        raise UserError(f"is {config.jobs}", where=f"{path}: jobs", do="give a number from 1")
    base = _base(config.base, path)
    rates = _rates(config, path)
    study = Study(config, str(path), base, rates, None, _outside(config, path))
    if not study.pairs:
        raise UserError("every method skips every task", where=f"{path}: skip", do="leave some of them")
    full, first = [], dict[str, tuple[str, dict[str, Any]]]()
    for task, method in study.pairs:
        made = study.run_config(task, method)
        where = f"{path}: method '{method}' on task '{task}'"
        if (made.run.name, made.run.folder) != (f"{config.name}/{method}/{task}", config.folder):
            raise UserError("sets 'run', which the comparison sets itself", where=where, do="leave it out")
        own = scored_on(made)
        other, scored = first.setdefault(task, (method, own))
        if odd := [key for key, value in own.items() if value != scored[key]]:
            do = f"set it for all methods: in base, limit or tasks.{task}"
            what = f"has another {odd[0]} than method '{other}', so their scores cannot be compared"
            raise UserError(what, where=where, do=do)
        full += [method] if method_named(made.method).trains_all else []
    return Study(config, str(path), base, rates, config.reference or next(iter(full), None), study.outside)


def scored_on(config: Config) -> dict[str, Any]:
    """Return what decides which rows a run is scored on, and how, by key."""
    (card,) = config.tasks.values()
    limits = {f"data.limit.{split}": config.data.limit.get(split) for split in ("validation", "test")}
    of_card = {f"task.{key}": getattr(card, key) for key in ("dataset", "label", "metrics")}
    return limits | {"data.seed": config.data.seed} | of_card


def plain(study: Study) -> dict[str, Any]:
    """Return what decides the cells, as plain values."""
    config, searched = study.config, any(len(rates) > 1 for rates in study.rates.values())
    return {
        "base": study.base,
        "limit": config.limit,
        "search_seed": study.search_seed if searched else None,
        "outside": list(study.outside),
        "methods": config.methods,
        "tasks": config.tasks,
        "rates": study.rates,
    }


def _check_names(config: StudyConfig, path: Path) -> None:
    for key, example in (
        ("methods", "{deep: [method=deep]}"),
        ("tasks", "{topics: demo/bbc_topic}"),
        ("seeds", "[1, 2]"),
    ):
        if key != "seeds" and not isinstance(getattr(config, key) or {}, dict):
            what = f"'{key}' is {getattr(config, key)!r}, not a mapping"
            raise UserError(what, where=path, do=f"write e.g. {key}: {example}")
        if not getattr(config, key):
            raise UserError(f"no {key}", where=path, do=f"give some, e.g. {key}: {example}")
    for method, overrides in config.methods.items():
        if "/" in method:
            raise UserError(f"'{method}' cannot be a method's name", where=f"{path}: methods", do="leave out the /")
        _check_overrides(overrides, f"{path}: methods.{method}", ("task",))
    for task, entry in config.tasks.items():
        if not isinstance(entry, str | dict | None):
            _check_overrides(entry, f"{path}: tasks.{task}")
    for method in config.methods:
        for task in config.tasks:
            check_folder(f"{config.name}/{method}/{task}", config.folder, str(path))
    if len(set(config.seeds)) < len(config.seeds) or any(not 0 <= seed < 2**32 for seed in config.seeds):
        raise UserError(f"seeds is {config.seeds}", where=path, do="use different numbers from 0 to 2**32 - 1")
    if config.search_seed is not None and not 0 <= config.search_seed < 2**32:
        raise UserError(f"search_seed is {config.search_seed}", where=path, do="use a number from 0 to 2**32 - 1")
    for split, rows in config.limit.items():
        if split not in SPLITS:
            raise UserError(f"no split '{split}'", where=f"{path}: limit", do=nearest(split, SPLITS))
        if rows < 1:
            raise UserError(f"is {rows}", where=f"{path}: limit.{split}", do="give a number from 1, or leave it out")
    named = [("reference", [config.reference] if config.reference is not None else [], config.methods)]
    named += [("skip", list(config.skip), config.methods), ("columns", config.columns, COLUMNS)]
    named += [(f"skip.{method}", tasks, config.tasks) for method, tasks in config.skip.items()]
    for key, names, valid in named:
        for name in names:
            if name not in valid:
                what = "column" if key == "columns" else "task" if "." in key else "method"
                raise UserError(f"'{name}' is no {what}", where=f"{path}: {key}", do=nearest(name, valid))


def _check_overrides(overrides: Any, where: str, also: Sequence[str] = ()) -> None:
    if overrides is None:
        return
    if not isinstance(overrides, list) or not all(isinstance(item, str) for item in overrides):
        raise UserError(f"is {overrides!r}", where=where, do="give a list of overrides, e.g. [method=deep]")
    for item in overrides:
        key, equals, _ = item.partition("=")
        if not equals or not key:
            raise UserError(f"'{item}' is not key=value", where=where, do="write e.g. [method=full, optim.clip=1]")
        if key := next((key for key in keys_set(item) if key in OWN or key in also), None):
            raise UserError(f"sets '{key}', which the comparison sets itself", where=where, do="leave it out")


def keys_set(override: str) -> list[str]:
    """List the keys that an override sets: its own, and of a mapping those in it."""
    key, _, text = override.partition("=")
    try:
        value = load(text)
    except ValueError:
        value = None
    return [key, *(f"{key}.{name}" for name in value)] if isinstance(value, dict) else [key]


def _base(base: Any, path: Path) -> dict[str, Any]:
    """Read the file that `base` names, from here or beside the comparison's; a mapping is taken as it is."""
    if isinstance(base, dict):
        return base
    if not isinstance(base, str):
        raise UserError(f"is {base!r}", where=f"{path}: base", do="give a config file, or the keys of one")
    return read_mapping(_file(base, path, "base"), "a config", KEYS)


def _outside(config: StudyConfig, path: Path) -> tuple[str, ...]:
    if config.outside is None:
        return ()
    file = _file(config.outside, path, "outside")
    try:
        texts = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be read ({error})", where=file, do="give a text file, one text a line") from error
    if not texts:
        raise UserError("holds no text", where=file, do="write one text a line")
    return tuple(texts)


def _file(name: str, path: Path, key: str) -> Path:
    for file in (path.parent / name, Path(name).expanduser()):
        if file.is_file():
            return file
    raise UserError(
        f"no such file '{name}'", where=f"{path}: {key}", do="give its path from here or from the file's folder"
    )


def _rates(config: StudyConfig, path: Path) -> dict[str, list[float]]:
    """List the learning rates that are tried for each method; none: that of the base or of the method's overrides."""
    rates, where = config.rates, f"{path}: rates"
    if rates is None:
        return {method: [] for method in config.methods}
    if not isinstance(rates, dict):
        rates = dict.fromkeys(config.methods, rates)
    for name in rates:
        if name not in config.methods:
            raise UserError(f"'{name}' is no method", where=where, do=nearest(name, config.methods))
    chosen: dict[str, list[float]] = {}
    for method, overrides in config.methods.items():
        own = rates.get(method)
        numbers = isinstance(own, list) and all(isinstance(r, int | float) and not isinstance(r, bool) for r in own)
        if not own or not numbers or not all(0 < rate < math.inf for rate in own) or len(set(own)) < len(own):
            do = "give a list of different numbers above 0, e.g. [0.003, 0.01]"
            raise UserError(f"of method '{method}' are {own!r}", where=where, do=do)
        if any("optim.lr" in keys_set(item) for item in overrides or []):
            what = f"method '{method}' sets 'optim.lr', which rates sets"
            raise UserError(what, where=where, do="leave one of them out")
        chosen[method] = [float(rate) for rate in own]
    if len(set(map(len, chosen.values()))) > 1:
        said = ", ".join(f"{method} {len(own)}" for method, own in chosen.items())
        raise UserError(
            f"methods have different numbers of trials ({said})", where=where, do="give all the same number"
        )
    return chosen
