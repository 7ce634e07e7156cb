"""Options of a card: each kind declares which there are and what their values must be."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ptv2.errors import UserError, nearest


@dataclass(frozen=True)
class Option:
    """What an option's value must be, as a test of it and as the advice where it fails."""

    holds: Callable[[Any], bool]
    do: str


def whole(least: int | None = None) -> Option:
    """Make the option of a whole number, `least` or more."""
    more = "" if least is None else f", {least} or more"
    return Option(lambda value: type(value) is int and (least is None or value >= least), f"use a whole number{more}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


FLAG = Option(lambda value: isinstance(value, bool), "use true or false")
TEXT = Option(lambda value: isinstance(value, str), "write a text in quotes")
FILLED = Option(_is_text, "write a text in quotes that is not only spaces")
LABEL = Option(
    lambda value: isinstance(value, (bool, int, float)) or _is_text(value), "write one of the labels, in quotes"
)
FIELD = Option(_is_text, "name a field")
FIELDS = Option(
    lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value)),
    "list one or more fields, e.g. [idx]",
)
SETTINGS = Option(lambda value: isinstance(value, Mapping), "write NAME: VALUE pairs in braces")
TEXTS = Option(
    lambda value: isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()),
    'write what is replaced and by what, e.g. {"old": "new"}',
)
WORDS = Option(
    lambda value: isinstance(value, Mapping) and all(isinstance(words, Mapping) for words in value.values()),
    "write what to read for a field's values, e.g. {question: {cause: because, effect: so}}",
)

GROUP = {"group": FIELDS}
"""The option of every kind, see `Features.side`."""
COMMON = GROUP | {"words": WORDS}
"""Options of every kind that reads texts, see `Features.parts`."""
CUT = {"truncate": FIELD}
"""Options of kinds whose texts are cut, see `Features.fitted`."""

RESERVED = {
    "max_length": "use max_new_tokens",
    "num_return_sequences": "remove it: a row gets one text",
    "return_dict_in_generate": "remove it: only texts are kept",
}
"""Settings of `generate` that a card cannot give, and what to do instead."""

NUMBERS = {
    "max_new_tokens": whole(1),
    "min_new_tokens": whole(0),
    "min_length": whole(0),
    "num_beams": whole(1),
    "no_repeat_ngram_size": whole(0),
    "encoder_no_repeat_ngram_size": whole(0),
    "top_k": whole(0),
}
"""Settings of `generate` that count something; transformers would find out row by row, or not at all."""


OF_FIELDS = ("references", "group", "group_by", "words")
"""Options that name fields without which no row is bad: only scoring reads them, or they only replace what is there."""


def check_fields(options: Mapping[str, Any], columns: Iterable[str], where: str) -> None:
    """Refuse a field in an option that no row of the data set has.

    Args:
        options: of the card.
        columns: fields of all splits together.
        where: the place of the options, for messages.

    Raises:
        UserError: names the first one.
    """
    known = sorted(set(columns))
    for option in OF_FIELDS:
        named = options.get(option) or []
        for field in [named] if isinstance(named, str) else named:
            if field not in known and field.partition(".")[0] not in known:
                raise UserError(f"no column '{field}'", where=f"{where}.{option}", do=nearest(field, known))


def check_options(given: Mapping[str, Any], valid: Mapping[str, Option], where: str) -> None:
    """Refuse options that a kind does not have, and values that it cannot use; null counts as not given.

    Raises:
        UserError: at the first one.
    """
    for name, value in given.items():
        if name not in valid:
            raise UserError(f"unknown option '{name}'", where=where, do=nearest(name, valid))
        if value is not None and not valid[name].holds(value):
            raise UserError(f"{name} is '{value}'", where=where, do=valid[name].do)
