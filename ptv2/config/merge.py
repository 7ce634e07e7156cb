"""Merging user input into a dataclass schema, with errors that name the key and its nearest valid neighbour."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from ptv2.config.keys import inner, keys_of, of_origin, options, takes_text
from ptv2.config.text import load
from ptv2.errors import UserError, nearest


def read_mapping(path: Path, what: str, kind: Any = Any) -> dict[str, Any]:
    """Read the mapping in a YAML file; an empty file is an empty one.

    Args:
        path: the file.
        what: its name in messages.
        kind: its type in the schema, or the types of its keys: says which keys hold text, see `config.text`.

    Raises:
        UserError: not UTF-8, not YAML, a key that appears twice, or not a mapping.
    """
    try:
        values = load(path.read_text(encoding="utf-8-sig"), kind)
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=path, do="save it as UTF-8") from error
    except ValueError as error:
        raise UserError(f"not valid YAML: {error}", where=path) from error
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{what} is a mapping of keys to values", where=path)
    return values


@cache
def schema_of(kind: type) -> DictConfig:
    """Return the structured config of a dataclass, made once: what is merged over it leaves it as it is."""
    return OmegaConf.structured(kind)


def merge(schema: DictConfig, values: dict[str, Any], where: str) -> DictConfig:
    """Merge `values` over `schema`, a structured config.

    Raises:
        UserError: an unknown key (names the nearest), a wrong word or type, or a required key without a value.
    """
    merged = merge_part(schema, values, where)
    check_complete(merged, where)
    return merged


def merge_part(schema: DictConfig, values: dict[str, Any], where: str) -> DictConfig:
    """Merge as `merge` does; required keys may still have no value."""
    values = fitted(OmegaConf.get_type(schema), values, where)
    with explained(where):
        return cast(DictConfig, OmegaConf.merge(schema, values))


def check_complete(merged: DictConfig, where: str) -> None:
    """Refuse a config in which a required key has no value, or that refers to what is not there.

    Raises:
        UserError: names the key.
    """
    with explained(where):
        OmegaConf.to_container(merged, resolve=True, throw_on_missing=True)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn OmegaConf's errors into those of a user."""
    try:
        yield
    except MissingMandatoryValue as error:
        raise UserError(f"'{error.full_key}' has no value", where=where, do="set it") from error
    except OmegaConfBaseException as error:
        key = f"'{error.full_key}': " if error.full_key else ""
        raise UserError(f"{key}{str(error).splitlines()[0]}", where=where) from error


def fitted(kind: Any, value: Any, where: str, key: str = "") -> Any:
    """Make of `value` what OmegaConf can merge into the type `kind`: YAML's names of keys become those of fields.

    Raises:
        UserError: an unknown key, or what OmegaConf would misread or not explain.
    """
    if isinstance(value, str) and "${" in value:  # OmegaConf fills it in, and checks what comes out
        return value
    if isinstance(kind, type) and is_dataclass(kind):
        return _fitted_group(kind, value, where, key)
    word, mapping, of_list = (of_origin(kind, origin) for origin in (Literal, dict, list))
    if value is None and type(None) not in options(kind):
        if mapping is not None:
            return {}
        if Any not in options(kind):
            name, colon, text = key.rpartition(".")[2].partition(":")
            if colon:  # YAML takes {train:5} for the key 'train:5'
                do = f"write a blank behind the colon: {name}: {text}"
                raise UserError(f"'{key}' has no value", where=where, do=do)
            do = "give it a value" + ("; write the word null in quotes" if takes_text(kind) else "")
            raise UserError(f"'{key}' has no value", where=where, do=do)
    elif word is not None and value is not None and value not in get_args(word):
        raise UserError(f"'{key}' is '{_shown(value)}'", where=where, do=nearest(value, get_args(word)))
    if mapping is not None and value is not None:
        if not isinstance(value, dict):
            what = f"'{key}' is '{_shown(value)}', not a mapping"
            raise UserError(what, where=where, do=f"write {key}.NAME=VALUE")
        return {name: fitted(inner(kind, name), below, where, f"{key}.{name}") for name, below in value.items()}
    if of_list is not None and value is not None:
        if not isinstance(value, list):
            do = f"write {key}=[{'...' if isinstance(value, dict) else _shown(value)}]"
            raise UserError(f"'{key}' is '{_shown(value)}', not a list", where=where, do=do)
        if takes_text(get_args(of_list)[0]) and any(isinstance(item, bool) for item in value):
            what = f"'{key}' holds true or false, which is how YAML reads yes, no, on and off"
            raise UserError(what, where=where, do="write them in quotes")
    elif isinstance(value, (dict, list)) and Any not in options(kind) and mapping is None:
        raise UserError(f"'{key}' is '{value}', not a single value", where=where, do=f"write {key}=VALUE")
    return value


def _fitted_group(kind: type, value: Any, where: str, key: str) -> dict[str, Any]:
    """Fit the keys of a dataclass."""
    keys = keys_of(kind)
    if not isinstance(value, dict):
        what = f"'{key}' is '{_shown(value)}', not a mapping"
        raise UserError(what, where=where, do=f"set its keys, e.g. {key}.{next(iter(keys))}")
    for name in value:
        if name not in keys:
            full = f"{key}.{name}".removeprefix(".")
            raise UserError(f"unknown key '{full}'", where=where, do=nearest(name, keys))
    return {
        keys[name].name: fitted(keys[name].type, below, where, f"{key}.{name}".removeprefix("."))
        for name, below in value.items()
    }


def _shown(value: Any) -> str:
    """Spell a value as YAML does."""
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))
