"""A wrong answer as a reader takes it in: inputs, gold answer and predicted one, with what differs marked."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ptv2.kinds.grading import sureness
from ptv2.model.predictions import Record
from ptv2.page.html import Html, join, tag

LONGEST = 3000  # characters of an input that are shown
INSIDE = re.compile("[IELM]-")  # prefixes of a tag that continues a span (BIO, BIOES, BILOU)
PREFIX = re.compile("[BIOESLUM]-")

Tags = Sequence[str | None]


def wrong_answer(record: Record, inputs: Mapping[str, Any], card: Mapping[str, Any]) -> Html:
    """Show a record beside its inputs, as suits the kind of its card."""
    kind, roles = card.get("kind"), card.get("inputs") or {}
    gold, predicted = record["gold"], record["prediction"]
    words = inputs.get(roles.get("tokens", ""))
    if kind == "tagging" and isinstance(gold, list) and isinstance(predicted, list) and len(gold) == len(predicted):
        inputs = {name: value for name, value in inputs.items() if value is not words}
        shown = [("gold", tagged(words, gold, predicted)), ("predicted", tagged(words, predicted, gold))]
    else:
        shown = [("gold", tag("span", text_of(gold), class_="gold"))]
        shown.append(("predicted", tag("span", text_of(predicted), class_="wrong")))
    context = roles.get("context")
    lines = [("row", " ".join(str(record[name]) for name in ("row", "id", "idx") if name in record))]
    for name, value in inputs.items():
        text: object = cut(text_of(value))
        if kind == "span" and name == context and isinstance(value, str):
            text = passage(value, record)
        lines.append((name, tag("div", text, class_="long")))
    lines += shown
    if (sure := sureness(record)) is not None:
        lines.append(("probability", f"{sure:.3f}"))
    return tag("div", *(tag("div", tag("span", name, class_="name"), tag("span", v)) for name, v in lines),
               class_="mistake")  # fmt: skip


def text_of(value: Any) -> str:
    """Write an answer or a field as text: a choice with its letter, several texts one a line."""
    if isinstance(value, str):
        return value or "(empty)"
    if isinstance(value, Mapping) and {"index", "text"} <= set(value):
        return f"{value.get('letter', value['index'])}: {value['text']}"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(dict.fromkeys(value)) or "(none)"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def cut(text: str) -> str:
    """Cut a long text, and say so."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def tagged(words: Any, tags: Tags, others: Tags) -> Html:
    """Write words with their spans marked by type: blue where the other side has the same span, red where not."""
    if not isinstance(words, list) or len(words) != len(tags):
        words = [f"word {i}" for i in range(len(tags))]
        kept = {i for i, (own, other) in enumerate(zip(tags, others, strict=True)) if own != other}
        return join(f"{words[i]}: {tags[i]}\n" for i in sorted(kept))
    theirs, parts, end = set(spans(others)), [], 0
    for span in spans(tags):
        name, start, stop = span
        label = tag("sub", name)
        inside = [" ".join(map(str, words[start:stop])), label]
        parts += [" ".join([*map(str, words[end:start]), ""]), tag("mark", *inside, class_=
                  "both" if span in theirs else "wrong"), " "]  # fmt: skip
        end = stop
    return join([*parts, " ".join(map(str, words[end:]))])


def spans(tags: Tags) -> Iterator[tuple[str, int, int]]:
    """Yield (type, first word, word behind the last) of what is tagged; of tags without B-, I-, ... each word alone."""
    start = 0
    while start < len(tags):
        first, stop = tags[start], start + 1
        if first is None or first == "O":
            start = stop
            continue
        name = PREFIX.sub("", first, count=1)
        while stop < len(tags) and INSIDE.match(tags[stop] or "") and (tags[stop] or "")[2:] == name:
            stop += 1
        yield name, start, stop
        start = stop


def passage(text: str, record: Record) -> Html:
    """Mark the gold answers and the predicted one in the passage."""
    places: list[tuple[int, int, str]] = []
    answer, start = str(record["prediction"]), record.get("answer_start")
    if answer and isinstance(start, int) and text[start : start + len(answer)] == answer:
        places.append((start, start + len(answer), "wrong"))
    for gold in record["gold"]:
        if gold and (found := text.find(gold)) >= 0:
            places.append((found, found + len(gold), "gold"))
    ends = sorted({0, len(text), *(end for place in places for end in place[:2])})
    parts = []
    for start, stop in pairwise(ends):
        kinds = {kind for first, last, kind in places if first <= start and stop <= last}
        piece = text[start:stop]
        parts.append(tag("mark", piece, class_=kinds.pop() if len(kinds) == 1 else "both") if kinds else piece)
    return join(parts)
