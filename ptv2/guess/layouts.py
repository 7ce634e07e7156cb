"""Layouts of rows that say what their task is, but that no card reads: each is refused with what to write instead."""

import re

from ptv2.errors import UserError
from ptv2.guess.fields import Field
from ptv2.guess.names import LABEL, POINTS, RELATION, is_named
from ptv2.guess.proposal import Seen
from ptv2.guess.unclear import LISTED

STRUCTURED = re.compile(
    r"(.+_)?(choices|options|endings|candidates|answers?|tokens|words|tags?|pos|spans|entities|annotations)",
    re.IGNORECASE,
)
"""Fields that hold lists or objects."""
SEVERAL = re.compile(r"(.+_)?(choices|options|endings|alternatives|candidates)", re.IGNORECASE)
MARKS = "|;,/"  # between the choices of a cell
PAIRS = {"chosen": "rejected", "pos": "neg", "positive": "negative", "positives": "negatives"}
"""Fields of a right text and a wrong one."""
JSON = "as JSON lines (a CSV file has no lists)"


def check_layout(seen: Seen) -> None:
    """Refuse rows whose structure is written out in texts, or in other fields than a card can name.

    Raises:
        UserError: they are.
    """
    for field in seen.of("text"):
        if field.is_tags or field.distinct < 2:
            continue
        example = next(iter(field.counts))
        if is_named(field.name, STRUCTURED) and all(map(LISTED.fullmatch, field.counts)):
            what = f"'{field.name}' holds lists or objects that are written as text, such as {example[:60]}"
            raise UserError(what, do=f"write them as such, {JSON}")
        if is_named(field.name, SEVERAL) and (mark := _mark(field)) is not None:
            what = f"'{field.name}' holds several choices in a cell, with {mark} between them, such as {example[:60]}"
            raise UserError(what, do=f"write a list a row, {JSON}, or a column for each choice")
    for field in seen.of("objects"):
        _check_marked(field)
        _check_objects(field, seen)
    _check_offsets(seen)


def check_related(seen: Seen) -> None:
    """Refuse relations of words in a list that numbers of the row point at.

    Raises:
        UserError: they are such.
    """
    relation = next((field for field in seen.of("text") if is_named(field.name, RELATION)), None)
    places = [field.name for field in seen.of("whole", "wholes") if is_named(field.name, POINTS)]
    words = next((field for field in seen.of("texts") if field.is_rich and not field.nested), None)
    if relation is not None and len(places) > 1 and words is not None:
        what = (
            f"'{relation.name}' is of words of '{words.name}' that numbers point at ('{places[0]}'); no card reads that"
        )
        raise UserError(what, do="write a text in which the words are marked, such as <e1>Ann</e1> left <e2>Rome</e2>")


def check_ranked(seen: Seen) -> None:
    """Refuse rows of a right and a wrong text: no kind of task ranks texts.

    Raises:
        UserError: they are such.
    """
    names = {name.lower(): name for name in seen.fields}
    for right, wrong in PAIRS.items():
        if right in names and wrong in names:
            what = f"'{names[right]}' and '{names[wrong]}' hold a right and a wrong text; no kind of task ranks texts"
            raise UserError(what, do="write both as choices, in changing order, and the number of the right one")


def _mark(field: Field) -> str | None:
    """Find the mark that stands between texts in every cell."""
    return next((mark for mark in MARKS if all(mark in text.strip(mark) for text in field.counts)), None)


def _check_marked(field: Field) -> None:
    """Refuse lists of objects, one of which is marked as the right one."""
    lists = [[item for item in value if isinstance(item, dict)] for value in field.values if value]
    keys = {key for items in lists for item in items for key, value in item.items() if isinstance(value, bool)}
    for key in sorted(keys):
        right = sum(len(items) > 1 and sum(item.get(key) is True for item in items) == 1 for items in lists)
        if right >= 0.95 * len(lists):
            what = f"'{field.name}' lists choices, the right one of which is marked by '{key}'"
            raise UserError(what, do="write a list of the texts, and the number of the right one (kind choice)")


def _check_objects(field: Field, seen: Seen) -> None:
    """Refuse labels that are objects, and dialogues of objects beside which there is no text."""
    keys = {key for value in field.values for item in value or [] if isinstance(item, dict) for key in item}
    if is_named(field.name, LABEL) and keys & {"name", "label", "title"} and not keys & {"points", "start", "end"}:
        raise UserError(f"'{field.name}' lists objects", do="write a list of their names a row (kind multilabel)")
    if any(field.is_rich and field.form == "text" and not field.nested for field in seen.fields.values()):
        return
    if keys >= {"role", "content"} or keys >= {"from", "value"}:
        do = "write what is read and what is written into fields of the row, such as prompt and response"
        raise UserError(f"'{field.name}' holds a dialogue as objects", do=do)


def _check_offsets(seen: Seen) -> None:
    """Refuse answers whose text and place in a context stand in fields of their own."""
    starts = [f for f in seen.fields.values() if f.form == "whole" and "start" in f.name.rpartition(".")[2].lower()]
    texts = [field for field in seen.fields.values() if field.form in ("text", "whole")]
    for start in starts:
        for answer in (field for field in texts if field is not start):
            for context in (field for field in texts if field.words > 2 * answer.words):
                if _stands_at(answer, start, context):
                    what = f"'{answer.name}' stands in '{context.name}' at '{start.name}', in fields of their own"
                    do = f"write both as lists of one field, {JSON}: {{text: [...], answer_start: [...]}} (kind span)"
                    raise UserError(what, do=do)


def _stands_at(answer: Field, start: Field, context: Field) -> bool:
    rows = zip(answer.values, start.values, context.values, strict=True)
    there = [row for row in rows if None not in row and int(float(row[1])) >= 0]
    inside = sum(str(text).startswith(str(said), int(float(at))) for said, at, text in there)
    return len(there) > len(answer.values) / 2 and inside > 0.9 * len(there)
