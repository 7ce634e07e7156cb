"""The keys of the schema: their names in YAML, their types, and what is declared beside them."""

import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """What a number may be, if it is finite; null passes."""

    words: str
    holds: Callable[[float], bool]


POSITIVE = Range("a number above 0", lambda x: x > 0)
WIDTH = Range("a number from 1 to 65,536", lambda x: 1 <= x <= 65_536)
NONNEGATIVE = Range("0 or more", lambda x: x >= 0)
FRACTION = Range("0 or more, below 1", lambda x: 0 <= x < 1)
SEED = Range("0 or more, below 2**32", lambda x: 0 <= x < 2**32)


def number(default: T, within: Range) -> T:
    """Declare a key that takes a number of a range."""
    return field(default=default, metadata={"range": within})


def keys_of(schema: type) -> dict[str, Field]:
    """Map names in YAML to the fields of a dataclass.

    A field's metadata may hold another `key` than its name, what a value `reads` as where its type is open, and that it
    is `hidden`: no key of a config file.
    """
    return {f.metadata.get("key", f.name): f for f in fields(schema) if not f.metadata.get("hidden")}


def options(kind: Any) -> tuple[Any, ...]:
    """List the types that a union joins; any other type is a union of one."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def of_origin(kind: Any, origin: Any) -> Any:
    """Find the type of this origin (dict, list, Literal) that `kind` is, or joins with others; None if it has none."""
    return next((one for one in options(kind) if get_origin(one) is origin), None)


def takes_text(kind: Any) -> bool:
    """Tell whether a key of this type holds text, so that 007 is not a number there."""
    return str in options(kind) or of_origin(kind, Literal) is not None


def is_mapping(kind: Any) -> bool:
    """Tell whether a key of this type has keys below it whose names are text."""
    return isinstance(kind, Mapping) or is_dataclass(kind) or of_origin(kind, dict) is not None


def inner(kind: Any, name: str) -> Any:
    """Return the type of the key `name` below a key of type `kind`; Any where the schema does not say."""
    if isinstance(kind, Mapping):  # types by name
        return kind.get(name, Any)
    if isinstance(kind, type) and is_dataclass(kind):
        keys = keys_of(kind)
        return keys[name].metadata.get("reads", keys[name].type) if name in keys else Any
    mapping = of_origin(kind, dict)
    return get_args(mapping)[1] if mapping is not None else Any


def type_at(schema: type, names: Sequence[str]) -> Any:
    """Return the type of the key that these names lead to."""
    kind: Any = schema
    for name in names:
        kind = inner(kind, name)
    return kind


def _is_finite(value: float) -> bool:
    return abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value)


def outside(config: Any, prefix: str = "") -> tuple[str, Any, str] | None:
    """Find the first number out of its range in a dataclass and those below it: key, value, what to use instead."""
    for key, f in keys_of(type(config)).items():
        value, within = getattr(config, f.name), f.metadata.get("range")
        if is_dataclass(value):
            if found := outside(value, f"{prefix}{key}."):
                return found
        elif within is not None and value is not None and not (_is_finite(value) and within.holds(value)):
            return f"{prefix}{key}", value, within.words
    return None
