"""Answers as spans of a context: in characters, in tokens, and over the windows of a long context."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ptv2.errors import UserError
from ptv2.kinds.templates import Row, value_at
from ptv2.rows.labels import text_of

OUTSIDE = -1  # offset of a token that is not the context's


SENTENCE = re.compile(r"[.!?](?=\s)|[。！？]")


def answers_of(row: Row, field: str, where: Callable[[], str]) -> tuple[list[str], list[int]]:
    """Read the texts and offsets of a row's gold answers.

    They are {text: [...], answer_start: [...]}, or [{text, answer_start}, ...].

    Raises:
        UserError: in neither form, or an empty text, or an offset that is no number.
    """
    value = value_at(row, field)
    if isinstance(value, list) and all(isinstance(answer, dict) for answer in value):
        value = {key: [answer.get(key) for answer in value] for key in ("text", "answer_start")}
    texts, starts = (value.get("text"), value.get("answer_start")) if isinstance(value, dict) else (None, None)
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        do = "write {text: [...], answer_start: [...]}, both empty where there is no answer"
        raise UserError(f"field '{field}' is not a list of answers and one of as many offsets", where=where(), do=do)
    texts = [str(text) if type(text) in (int, float) else text for text in texts]
    for text in texts:
        if not isinstance(text, str | None):
            raise UserError(f"an answer is '{text}', which is no text", where=where(), do="write it as a text")
        if not (text or "").strip():
            raise UserError("an answer is empty", where=where(), do="leave both lists empty where there is no answer")
    for start in starts:
        if isinstance(start, bool) or not re.fullmatch(r"-?[0-9]+", text_of(start)):
            what = f"field '{field}' has the offset '{start}', not a whole number"
            raise UserError(what, where=where(), do="count the context's characters before the answer")
    return texts, [int(text_of(start)) for start in starts]


def locate(text: str, start: int, context: str, search: bool) -> int | None:
    """Find where `text` stands in the context: at `start`, or with `search` at the place nearest to it."""
    if start >= 0 and context.startswith(text, start):
        return start
    places = [found.start() for found in re.finditer(re.escape(text), context)] if search else []
    return min(places, key=lambda place: abs(place - start), default=None)


def trim(context: str, start: int, end: int) -> list[int]:
    """Strip the span of spaces around it; it is outside the context if it has nothing else.

    Byte-level tokenizers count the space before a word to it, some always and some at the start of a window alone.
    """
    text = context[start:end]
    bare = text.strip()
    start += len(text) - len(text.lstrip())
    return [start, start + len(bare)] if bare else [OUTSIDE, OUTSIDE]


def token_span(offsets: Sequence[Sequence[int]], answer: Sequence[int]) -> list[int]:
    """Return first and last token touching the characters start..end (exclusive); [0, 0] where the window cuts them."""
    start, end = answer
    inside = [t for t, (first, _) in enumerate(offsets) if first != OUTSIDE]
    if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
        return [0, 0]
    touched = [t for t in inside if offsets[t][0] < end and offsets[t][1] > start]
    return [touched[0], touched[-1]] if touched else [0, 0]


def merge(outputs: list[Any]) -> tuple[list[tuple[int, int, float]], float]:
    """List the spans (start, end, score) of all windows of a row, best first, and the lowest score of no answer.

    Windows overlap, so a span can come from two of them: its better score counts.
    """
    best: dict[tuple[int, int], float] = {}
    for output in outputs:
        for start, end, score in output["spans"]:
            best[start, end] = max(score, best.get((start, end), -math.inf))
    spans = sorted(((start, end, score) for (start, end), score in best.items()), key=lambda s: (-s[2], s[0], s[1]))
    return spans, min(output["null"] for output in outputs)


def best_threshold(leads: list[float], answered: list[float], silent: list[float]) -> float:
    """Choose the threshold with the best sum of scores.

    Row i scores `silent[i]` if its lead is above the threshold, else `answered[i]`. The threshold lies halfway between
    two leads, so that rounding cannot turn a row.
    """
    order = sorted(range(len(leads)), key=leads.__getitem__)
    ends = [leads[order[0]] - 1, *(leads[i] for i in order), leads[order[-1]] + 1]
    total = sum(silent)
    best, threshold = total, (ends[0] + ends[1]) / 2
    for place, i in enumerate(order, start=1):
        total += answered[i] - silent[i]
        if total > best and ends[place] < ends[place + 1]:
            best, threshold = total, (ends[place] + ends[place + 1]) / 2
    return threshold


def first_sentence(text: str) -> str:
    """Cut after the first full stop, if there is one."""
    text = text.strip()
    found = SENTENCE.search(text)
    return text[: found.end()] if found else text
