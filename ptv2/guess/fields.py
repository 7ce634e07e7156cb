"""What a field of some rows holds: its form, how many values differ, how long its texts are."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ptv2.guess.names import LABEL, QUANTITY, TOPIC, is_named
from ptv2.kinds.templates import Row, value_at
from ptv2.rows.conll import TAG
from ptv2.rows.labels import missing, text_of

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
IDENTITY = re.compile(r"(.+[_ -])?(id|idx|index|guid|uuid|uid|eid|qid|key|row|number|no)", re.IGNORECASE)
CAMEL = re.compile(r".*[a-z](Id|ID|Key)(Anonymi[sz]ed)?|id_?[sS]tring")
DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # scripts of which two characters count as a word
TIME = re.compile(
    r"""(?=.*\d)
    ((mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\ )?
    (\d{4}[-/.]\d{1,2}[-/.]\d{1,2} | \d{1,2}[-/.]\d{1,2}[-/.]\d{4} |
     (\d{1,2}(st|nd|rd|th)?[-\ ])? (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?
     ([-\ ]\d{1,2}(st|nd|rd|th)?(?!\d),?)? ([-\ ]\d{2,4}(?!:),?)?)
    ([Tt\ ]+(at\ )? \d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\ ?[ap]m)?)?
    (\ ?(Z|UTC|GMT|[A-Z]{3,4}|[-+]\d{2}:?\d{2}))? (\ \d{4})?""",
    re.IGNORECASE | re.VERBOSE,
)  # a date, with the time of day or without
TAGS = re.compile(r"[^\s,;'\"\[\]]+")  # in a text that lists them
LARGEST = 10**300
RICH_WORDS = 4  # texts of as many words are read, and are no names


@dataclass(frozen=True)
class Field:
    """One field.

    Args:
        name: dotted where it is nested.
        values: one a row; None where it is missing or blank.
        names: that the data set itself gives to its ids; None: it gives none.
        nested: whether it lies in an object; a column may have a dot in its name, too.
    """

    name: str
    values: Sequence[Any]
    names: tuple[str, ...] | None = None
    nested: bool = False

    @cached_property
    def form(self) -> str:
        """What it holds: text, truth, whole, number, texts, wholes, lists, objects, object, mixed or nothing.

        A text that spells a number counts as one, as every cell of a CSV file is a text.
        """
        forms = {form_of(value) for value in self.values if value is not None}
        for wide, narrow in (("number", {"whole", "number"}), ("text", {"text", "whole", "number"})):
            if wide in forms and forms <= narrow:
                return wide
        forms -= {"empty"} if len(forms) > 1 else set()
        return forms.pop() if len(forms) == 1 else "mixed" if forms else "nothing"

    @cached_property
    def filled(self) -> float:
        """Share of the rows that have a value."""
        return sum(value not in (None, []) for value in self.values) / max(1, len(self.values))

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value occurs; of lists, each value in them."""
        return Counter(text_of(value) for value in flat(self.values))

    @cached_property
    def distinct(self) -> int:
        """Number of values that differ, as labels do; lists and objects are compared whole."""
        return len({text_of(value) for value in self.values if value is not None})

    @cached_property
    def words(self) -> float:
        """Mean number of words of a value's texts; characters without blanks between words count half a word."""
        texts = [" ".join(map(str, flat([value]))) for value in self.values if value is not None]
        return sum(words_in(text) for text in texts) / max(1, len(texts))

    @cached_property
    def is_identity(self) -> bool:
        """Tell whether it only tells rows apart: numbers or words of one piece that hardly ever repeat."""
        if self.form not in ("text", "whole") or (self.form == "text" and any(" " in str(v) for v in self.values if v)):
            return False
        there = sum(value is not None for value in self.values)
        last = self.name.rpartition(".")[2]
        named = IDENTITY.fullmatch(last) is not None or CAMEL.fullmatch(last) is not None
        if not named and any(is_named(last, names) for names in (LABEL, TOPIC, QUANTITY)):
            return False
        return self.distinct > (0.3 if named else 0.9) * there and (named or self.form == "whole") and self.distinct > 2

    @cached_property
    def is_time(self) -> bool:
        """Tell whether it says when a row was made."""
        return self.form == "text" and self.in_all(lambda value: TIME.fullmatch(str(value).strip()) is not None)

    @cached_property
    def is_tags(self) -> bool:
        """Tell whether texts hold nothing but tags of words, one or several: O, and those of spans."""
        if self.form != "text":
            return False
        known = {tag for text in self.counts for tag in tags_in(text)}
        return "O" in known and known != {"O"} and all(map(TAG.fullmatch, known))

    @cached_property
    def is_rich(self) -> bool:
        """Tell whether it holds texts to be read: of some words, or that seldom repeat."""
        if self.form not in ("text", "texts", "lists") or self.is_identity or self.is_time or self.words == 0:
            return False
        if self.is_tags:
            return False
        several = self.distinct > 0.5 * len(self.values) and len(self.values) > 2
        return self.distinct > 1 and (self.words >= RICH_WORDS or (several and self.words >= 1.5))

    def in_all(self, holds: Any) -> bool:
        """Tell whether a test holds for every value that there is, and there is one."""
        there = [value for value in self.values if value is not None]
        return bool(there) and all(map(holds, there))


def look(rows: Sequence[Row], names: dict[str, list[str]] | None = None) -> dict[str, Field]:
    """Look at the fields of rows, and at those of the objects in them, by name.

    Args:
        rows: the rows.
        names: of the ids in a field, where the data set gives them.
    """
    found: dict[str, Field] = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        given = (names or {}).get(name)
        found[name] = _field(name, rows, tuple(given) if given else None)
        found |= _inside(found[name], rows)
    return found


def _inside(field: Field, rows: Sequence[Row]) -> dict[str, Field]:
    """Look at the fields of the objects in a field, and of those in them."""
    found: dict[str, Field] = {}
    if field.form in ("object", "objects"):
        for key in dict.fromkeys(key for value in flat(field.values) if isinstance(value, dict) for key in value):
            inner = _field(f"{field.name}.{key}", rows, nested=True)
            found |= {inner.name: inner} | _inside(inner, rows)
    return found


def _field(name: str, rows: Sequence[Row], names: tuple[str, ...] | None = None, nested: bool = False) -> Field:
    values = [value_at(row, name) for row in rows]
    return Field(name, [None if missing(value) else value for value in values], names, nested)


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the single values in lists of any depth."""
    for value in values:
        if isinstance(value, list):
            yield from flat(value)
        elif value is not None:
            yield value


def form_of(value: Any) -> str:
    """Name the form of one value, see `Field.form`."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        value = [item for item in value if item is not None]
        forms = {form_of(item) for item in value}
        several = {"text": "texts", "whole": "wholes", "object": "objects"}
        if not forms:
            return "empty"
        if all(isinstance(item, str) for item in value):
            return "texts"
        return several.get(forms.pop(), "lists") if len(forms) == 1 else "lists"
    if isinstance(value, int):
        return "whole" if abs(value) < LARGEST else "text"  # what no float holds is no number to predict
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        return "text"
    return "whole" if float(value).is_integer() else "number"


def tags_in(text: str) -> list[str]:
    """List the tags in a text, as a list or with blanks or commas between them."""
    return TAGS.findall(text)


def words_in(text: str) -> float:
    """Count the words of a text."""
    dense = len(DENSE.findall(text))
    return len(DENSE.sub(" ", text).split()) + dense / 2
