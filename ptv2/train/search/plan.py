"""What a search is: the config of its runs, the space, and how it is searched.

A search is written in a file of its own, or on the command line:

    base: ../quickstart.yaml         # the config of the runs; the path counts from this file
    space:                           # key of the config -> values or a range, see space.py
      optim.lr: 1e-3..1e-2:log
      prompt.length: [4, 8, 16]
    sampler: tpe                     # grid | random | tpe
    trials: 20                       # how many runs; null: the whole grid
    prune: true                      # end runs that stay behind
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from omegaconf import MISSING, OmegaConf

from ptv2.config.keys import POSITIVE, number
from ptv2.config.load import KEYS, comparable, load_config, make_config
from ptv2.config.merge import merge, read_mapping
from ptv2.config.overrides import as_overrides
from ptv2.config.schema import Config
from ptv2.config.text import dump
from ptv2.config.trainer_keys import one_device
from ptv2.errors import UserError
from ptv2.train.search.space import Choices, Interval, Values, parse_values

Params = dict[str, Any]
"""Key -> value of one trial: a text of the command line where the key has choices, a number of an interval."""


@dataclass
class SearchFile:
    """The keys of a search's file."""

    base: str = MISSING
    space: dict[str, Any] = field(default_factory=dict)
    sampler: Literal["grid", "random", "tpe"] = "tpe"
    trials: int | None = number(None, POSITIVE)
    prune: bool = False


@dataclass(frozen=True)
class Plan:
    """A search that has been checked. Its runs are `<folder>/trials/<number>`."""

    config: Config  # of the runs, before a trial changes it; run.name is the search's
    space: dict[str, Values]
    sampler: str
    trials: int
    prune: bool

    @property
    def folder(self) -> Path:
        return Path(self.config.run.folder) / self.config.run.name

    @property
    def points(self) -> int | None:
        """Count the points of a space that has choices alone; None where a key has a range."""
        choices = [values for values in self.space.values() if isinstance(values, Choices)]
        return math.prod(len(values.values) for values in choices) if len(choices) == len(self.space) else None

    def grid(self) -> Iterator[Params]:
        """Yield every point of a space that has choices alone, the last key fastest."""
        choices = [values.values for values in self.space.values() if isinstance(values, Choices)]
        return (dict(zip(self.space, point, strict=True)) for point in itertools.product(*choices))

    def trial_config(self, number: int, params: Params) -> Config:
        """Make the config of a trial, which does not read test rows.

        Raises:
            UserError: the values do not fit together.
        """
        values = comparable(self.config)
        for card in values["tasks"].values():
            card["dataset"]["data_files"]["test"] = None
        return _changed(values, params, f"{self.config.run.name}/trials/{number}")

    def best_config(self, params: Params) -> Config:
        """Make the config that a trial stands for: it has a run folder of its own and is scored on test rows, too."""
        return _changed(comparable(self.config), params, f"{self.config.run.name}-best")

    def plain(self) -> dict[str, Any]:
        """Return what two processes must agree on to share the search's folder, as plain values."""
        space = {key: str(values) for key, values in self.space.items()}
        return {"space": space, "sampler": self.sampler, "prune": self.prune, "config": comparable(self.config)}

    def write(self) -> str:
        """Write `plain` as YAML."""
        return dump(self.plain())


def make_plan(
    path: Path,
    base: Path | None = None,
    space: Sequence[str] = (),
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    **settings: Any,
) -> Plan:
    """Read a search, from a file of its own or from a run's config and `space`, and check all of it.

    Args:
        path: a search's file, which has `space`, or the config of a run.
        base: the config of the runs, in the place of the file's.
        space: `KEY=VALUES`, beside the file's.
        overrides: `key=value`, of the runs' config; run.name names the search.
        imports: files that are imported beside those that the config names.
        settings: `sampler`, `trials` and `prune`, in the place of the file's; None: the file's.

    Raises:
        UserError: an unreadable file, an unknown key, values that a key does not take, an empty space.
    """
    if not path.is_file():
        raise UserError("no such config file", where=path)
    values = read_mapping(path, "a search", {**KEYS, "space": dict[str, Any]})
    if "space" not in values:
        values = {"base": str(path)}
    elif isinstance(values.get("base"), str):
        values["base"] = str(path.parent / values["base"])
    where = str(path)
    values |= {"base": str(base)} if base is not None else {}
    values |= {key: value for key, value in settings.items() if value is not None}
    written = {**_space_of(values.pop("space", None) or {}, where), **_space_of(dict(map(_pair, space)), "--space")}
    file = cast(SearchFile, OmegaConf.to_object(merge(OmegaConf.structured(SearchFile), values, where)))
    if file.trials is not None and file.trials < 1:
        raise UserError(f"'trials' is {file.trials}", where=where, do="use a number above 0")
    if not written:
        raise UserError("no key to search", where=where, do="add e.g. --space optim.lr=1e-3..1e-2:log")
    config = load_config(file.base, list(overrides), imports)
    if config.run.overwrite or config.resume != "auto":
        key = "run.overwrite" if config.run.overwrite else "resume"
        raise UserError("a search resumes its runs, and keeps those that are finished", where=key, do="leave it out")
    if not any(item.startswith("run.name=") for item in overrides):
        config = make_config(comparable(config), [f"run.name={config.run.name}-search"], where=file.base)
    plan = Plan(config, written, file.sampler, file.trials or 0, file.prune)
    check_plan(plan)
    return plan if plan.trials else replace(plan, trials=plan.points)


def check_plan(plan: Plan) -> None:
    """Refuse what no trial could run: every value of the space is put into the config once.

    Raises:
        UserError: at the first one.
    """
    config, points = plan.config, {key: _ends(values) for key, values in plan.space.items()}
    if plan.sampler == "grid" and plan.points is None:
        key = next(key for key, values in plan.space.items() if isinstance(values, Interval))
        do = f"write e.g. {key}={plan.space[key]}:4 for four of its values, or choose another sampler"
        raise UserError(f"'{key}' is a range, and a grid needs values", where="space", do=do)
    if not plan.trials and plan.sampler != "grid":
        raise UserError(
            f"how many runs '{plan.sampler}' may make is not said",
            where="trials",
            do="add --trials 20, or --sampler grid",
        )
    _check_devices(config)
    for key, values in points.items():
        for value in values:
            first = {other: ends[0] for other, ends in points.items()}
            _check_devices(plan.trial_config(0, first | {key: value}))


def _check_devices(config: Config) -> None:
    if not one_device(config.trainer) or config.trainer.get("num_nodes", 1) != 1:
        do = "set trainer.devices=1; --jobs N trains N of them at a time"
        raise UserError("a search trains each run on one device", where="trainer.devices", do=do)


def _changed(values: dict[str, Any], params: Params, name: str) -> Config:
    return make_config(values, [*as_overrides(params), f"run.name={name}"], where="search")


def _ends(values: Values) -> list[Any]:
    return list(values.values) if isinstance(values, Choices) else [values.low, values.high]


def _pair(item: str) -> tuple[str, str]:
    key, equals, values = item.partition("=")
    if not equals or not key:
        raise UserError(f"'{item}'", where="--space", do="write e.g. --space optim.lr=1e-3..1e-2:log")
    return key, values


def _space_of(written: Any, where: str) -> dict[str, Values]:
    if not isinstance(written, Mapping):
        raise UserError(f"'space' is '{written}', not a mapping", where=where, do="write KEY: VALUES below it")
    return {str(key): parse_values(str(key), deepcopy(values), where) for key, values in written.items()}
