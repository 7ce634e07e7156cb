"""Merging user input into a dataclass schema, with errors that name the key and its nearest valid neighbour."""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from ptv2.errors import UserError, nearest


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """The mapping in a YAML file, `what` being its name in messages; an empty file is an empty one.

    Raises:
        UserError: not UTF-8, not YAML, a key that stands twice, or no mapping.
    """
    try:
        values = OmegaConf.load(path)
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=path, do="save it as UTF-8") from error
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"not valid YAML: {error}", where=path) from error
    except OSError as error:
        if error.strerror:
            raise UserError(f"cannot be read ({error.strerror})", where=path) from error
        values = None  # a word or a number
    if not isinstance(values, DictConfig):
        raise UserError(f"{what} is a mapping of keys to values", where=path)
    return OmegaConf.to_container(values)


def merge(schema: DictConfig, values: dict[str, Any], where: str) -> DictConfig:
    """`values` merged over `schema`, a structured config.

    Raises:
        UserError: an unknown key (names the nearest), a wrong type, or a required key without a value.
    """
    _check(OmegaConf.get_type(schema), values, where)
    try:
        merged = OmegaConf.merge(schema, values)
        OmegaConf.to_container(merged, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"'{error.full_key}' has no value", where=where, do="set it") from error
    except OmegaConfBaseException as error:
        key = f"'{error.full_key}': " if error.full_key else ""
        raise UserError(f"{key}{str(error).splitlines()[0]}", where=where) from error
    return merged


def _check(kind: Any, value: Any, where: str, key: str = "") -> None:
    """Refuse keys that the dataclass `kind` does not have, and values that OmegaConf would misread or not explain."""
    if dataclasses.is_dataclass(kind):
        fields = {f.name: f.type for f in dataclasses.fields(kind)}
        if not isinstance(value, dict):
            do = f"set its keys, e.g. {key}.{next(iter(fields))}"
            raise UserError(f"'{key}' is '{value}', not a mapping", where=where, do=do)
        for name, inner in value.items():
            full = f"{key}.{name}".removeprefix(".")
            if name not in fields:
                raise UserError(f"unknown key '{full}'", where=where, do=nearest(name, fields))
            _check(fields[name], inner, where, full)
        return
    kinds = get_args(kind) if get_origin(kind) not in (dict, list) else (kind,)
    for mapping in (k for k in kinds if get_origin(k) is dict):
        if not isinstance(value, dict):
            raise UserError(f"'{key}' is '{value}', not a mapping", where=where, do=f"write {key}.NAME=VALUE")
        for name, inner in value.items():
            if dataclasses.is_dataclass(get_args(mapping)[1]):
                _check(get_args(mapping)[1], inner, where, f"{key}.{name}")
    if isinstance(value, dict) and list in [get_origin(k) for k in kinds]:
        raise UserError(f"'{key}' is '{value}', not a list", where=where, do=f"write {key}=[...]")
    if list[str] in kinds and isinstance(value, list) and any(isinstance(v, bool) for v in value):
        what = f"'{key}' holds true or false, which is how YAML reads yes, no, on and off"
        raise UserError(what, where=where, do="write them in quotes")
