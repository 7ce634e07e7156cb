"""Label names and ids. A label is a name before it is an id; docs/tasks.md has the rule in words."""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal

from ptv2.config.cards import TaskCard
from ptv2.errors import UserError, nearest

NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?")


class Labels:
    """The label names of a task in the order of their ids.

    Args:
        names: the names.
        origin: what fixed them, for messages: the card, the data set, the training split or an artifact.
        by_id: whether a number that is not a name is the id of one (`label_ids` of the card).
        from_rows: whether they are what training rows hold, so that there may be others.
    """

    def __init__(self, names: list[str], origin: str, by_id: bool = False, from_rows: bool = False):
        self.names = list(names)
        self.origin = origin
        self.by_id, self.from_rows = by_id, from_rows
        self.ids = {name: i for i, name in enumerate(self.names)}
        self.alike: dict[str, list[int]] = {}
        for i, name in enumerate(self.names):
            self.alike.setdefault(plain(name), []).append(i)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, value: object) -> bool:
        """Tell whether a value is a name, as it stands or in another spelling of one number or truth value."""
        return self._named(text_of(value)) is not None

    def id(self, value: object, where: str) -> int:
        """Return the id of a row's label.

        Raises:
            UserError: the label is not one of this task's.
        """
        text = text_of(value)
        found = self._named(text)
        if found is None and self.by_id and _is_id(text, len(self)):
            found = int(plain(text))
        if found is None:
            hint = " (-1 marks hidden test labels)" if text == "-1" else ""
            more = "; if it is a label without training rows, name all in the card, labels: [...]" * self.from_rows
            what = f"unknown label '{text}'{hint} for {self.origin}"
            raise UserError(what, where=where, do=self._advice(value) + more)
        return found

    def _named(self, text: str) -> int | None:
        if text in self.ids:
            return self.ids[text]
        alike = self.alike.get(plain(text), ())
        return alike[0] if len(alike) == 1 else None

    def _advice(self, value: object) -> str:
        text = text_of(value)
        if self.by_id and NUMBER.fullmatch(text):
            return f"use a name, or an id from 0 to {len(self) - 1}"
        do = nearest(text, self.names)
        if (twin := next((name for name in self.names if _key(name) == _key(text)), None)) is not None:
            return f"{do}; '{twin}' differs only in spaces, case or Unicode form: write one"
        if plain(text) in ("true", "false"):
            return f"{do}; write a name into the row, or name the labels 'false' and 'true'"
        if _is_id(text, len(self)):
            return f"{do}; if the numbers count the labels from 0, set label_ids: true in the card"
        return do


def text_of(value: object) -> str:
    """Write the text that a label is known by: 1 and 1.0 are '1', true is 'true'."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def plain(text: str) -> str:
    """Choose one spelling of the same number or truth value: '1.50' is '1.5', '+1' is '1', 'TRUE' is 'true'."""
    if text.lower() in ("true", "false"):
        return text.lower()
    if NUMBER.fullmatch(text):
        text = text.removeprefix("+")
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def missing(value: object) -> bool:
    """Tell whether a row holds no label here."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value


def labels_for(
    card: TaskCard, training_values: Iterable[object] = (), names: list[str] | None = None, first: str | None = None
) -> Labels:
    """Choose the labels: the card's, or else the data set's own `names`, or those of the training rows, sorted.

    `first` stands before all others in the last case.

    Raises:
        UserError: fewer than two labels, or numbers that can be read in two ways.
    """
    origin = f"card '{card.name}'" if card.labels is not None else f"the data set of '{card.name}'"
    found = card.labels if card.labels is not None else names
    if from_rows := found is None:
        origin = f"the training split of '{card.name}'"
        found = _names_in(card, [value for value in training_values if not missing(value)])
        if first in found:
            found = [first, *(name for name in found if name != first)]
        if len(found) < 2:
            what = f"the training rows hold {len(found)} label(s)"
            raise UserError(what, where=f"{card.name}.label", do="give at least 2")
    _warn_of_twins(found, card.name)
    return Labels(found, origin, card.label_ids, from_rows)


def _names_in(card: TaskCard, values: list[object]) -> list[str]:
    """Collect the names in the rows: numbers in their order, all else in the order of its text.

    What a text spells in another way is that text: 1 beside "1.0", or true beside "True".
    """
    texts = {value for value in values if isinstance(value, str)}
    spelled = Counter(map(plain, texts))
    found = texts | {text for value in values if spelled[plain(text := text_of(value))] != 1}
    numbers = all(re.fullmatch(NUMBER.pattern + "(e[-+]?[0-9]+)?", text) for text in found)
    names = sorted(found, key=lambda text: (Decimal(text), text)) if numbers else sorted(found)
    whole = all(re.fullmatch(r"-?[0-9]+", name) for name in names)
    if whole and [name for name in names if name.startswith("-")] == ["-1"] and set(names) != {"-1", "1"}:
        listed = ", ".join(f"'{name}'" for name in names)
        raise UserError(
            "the training rows hold -1, which may be a class or stand for no label",
            where=f"{card.name}.label",
            do=f"list the classes in the card, e.g. labels: [{listed}], or remove the rows with -1",
        )
    return names


def _warn_of_twins(names: Collection[str], card: str) -> None:
    """Warn of labels that are probably one."""
    seen: dict[str, str] = {}
    for name in names:
        key = _key(name)
        if key in seen:
            what = f"{card}: the labels '{seen[key]}' and '{name}' differ only in {_difference(seen[key], name)} "
            what += "and count as two classes"
            warnings.warn(what, stacklevel=3)
        seen.setdefault(key, name)


def _key(name: str) -> str:
    """Return what labels share that are probably one."""
    return " ".join(unicodedata.normalize("NFKC", plain(name)).casefold().split())


def _difference(one: str, other: str) -> str:
    if plain(one) == plain(other):
        return "the spelling of a number or truth value"
    same = unicodedata.normalize("NFKC", one) == unicodedata.normalize("NFKC", other)
    return "Unicode form" if same else "spaces or case"


def check_numbers(labels: Labels, values: Callable[[], Iterable[object]]) -> None:
    """Refuse numbers that may be names or ids: the labels are numbers other than their ids, and one row's is none.

    Raises:
        UserError: see above.
    """
    if labels.by_id or not _shifted(labels.names):
        return
    for value in values():
        text = text_of(value)
        if _is_id(text, len(labels)) and text not in labels:
            what = f"the label {text} is not a name but may be the id of '{labels.names[int(plain(text))]}', and other "
            what += "numbers may be names or ids"
            raise UserError(
                what, where=labels.origin, do="write the names into the rows, or list every number in labels"
            )


def check_by_id(card: TaskCard, names: list[str]) -> None:
    """Refuse `label_ids` where a number may be a name or an id.

    Raises:
        UserError: a name is a number that is the id of another.
    """
    if card.label_ids and (other := _shifted(names)):
        what = f"the label '{other}' is a number and has the id {names.index(other)}: {other} in a row could be either"
        do = "remove label_ids if the rows hold names, else name the labels in words"
        raise UserError(what, where=f"{card.name}.label_ids", do=do)


def _shifted(names: list[str]) -> str | None:
    """Find the first name that is a number and the id of another name."""
    return next((name for i, name in enumerate(names) if _is_id(name, len(names)) and int(plain(name)) != i), None)


def _is_id(text: str, count: int) -> bool:
    digits = plain(text)
    return bool(re.fullmatch(r"0|[1-9][0-9]*", digits)) and len(digits) <= len(str(count)) and int(digits) < count
