"""Tags of words out of annotated spans: of words (start, end, type) or of characters of a text (doccano)."""

import unicodedata
from typing import Any

from ptv2.errors import UserError
from ptv2.rows.table import Row

Span = tuple[int, int, str]
START = ("start", "start_offset", "begin", "begin_offset", "start_char", "char_start")
END = ("end", "end_offset", "finish", "finish_offset", "end_char", "char_end")
TYPE = ("type", "label", "tag", "entity_group", "entity", "category", "labels")  # the last a list of one: Label Studio
UNSEEN_SPACES = "\u200b\ufeff"  # the space without width, and that which is a byte order mark in other places
JOINER = "\u200d"
SKINS = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
DO = "write spans as [start, end, type] or {start, end, type}; the end is exclusive"


def word_tags(tokens: list[str], spans: Any, field: str, where: str) -> list[str]:
    """Make BIO tags of words from spans of words.

    Raises:
        UserError: spans outside of the words, or that overlap.
    """
    return _tagged(len(tokens), [_span(span, field, where) for span in spans or []], field, where, "tokens")


def text_tags(text: Any, spans: Any, field: str, where: str) -> tuple[list[str], list[str]]:
    """Find the words of a text and their BIO tags, from spans of its characters. Spaces at a span's ends do not count.

    Raises:
        UserError: no text, spans outside of it, that overlap, or that begin or end inside of a word.
    """
    if not isinstance(text, str) or not isinstance(spans, list | None):
        what = "no text" if not isinstance(text, str) else f"field '{field}' is not a list of spans"
        raise UserError(what, where=where, do=DO)
    places = words_of(text)
    starts = {start: i for i, (start, _) in enumerate(places)}
    ends = {end: i + 1 for i, (_, end) in enumerate(places)}
    found = []
    for span in spans or []:
        start, end, type = _span(span, field, where)
        inside = text[start:end] if 0 <= start < end <= len(text) else ""
        seen = "".join(" " if _is_unseen(character) else character for character in inside)
        first, last = start + len(seen) - len(seen.lstrip()), end - len(seen) + len(seen.rstrip())
        if first not in starts or last not in ends or not seen.strip():
            what = f"'{field}' has a span {start}..{end} ('{inside}') that does not begin and end with a word"
            raise UserError(what, where=where, do="correct the span; offsets count characters, the end is exclusive")
        found.append((starts[first], ends[last], type))
    words = [text[start:end] for start, end in places]
    return words, _tagged(len(words), found, field, where, "words")


def words_of(text: str) -> list[tuple[int, int]]:
    """Find where the words of a text begin and end (exclusive).

    Spaces separate words; each punctuation mark, symbol and Chinese character is a word of its own. What is not seen
    is no word: accents and variants continue what stands before them, as does what a zero-width joiner joins; marks
    of format are left out at a word's ends.
    """
    places: list[tuple[int, int]] = []
    begin, joined = None, False
    for i, character in enumerate([*text, " "]):
        kind, space = unicodedata.category(character), character.isspace() or character in UNSEEN_SPACES
        continues = not space and (kind[0] == "M" or character in SKINS or character == JOINER or joined)
        joined = character == JOINER
        if continues and begin is None and places and places[-1][1] == i:
            places[-1] = (places[-1][0], i + 1)
            continue
        alone = not continues and (kind[0] in "PS" or "\u3400" <= character <= "\u9fff")
        if begin is not None and (alone or space):
            places.append((begin, next(end for end in range(i, begin, -1) if not _is_unseen(text[end - 1]))))
            begin = None
        if alone:
            places.append((i, i + 1))
        elif not space and begin is None and kind != "Cf":
            begin = i
    return places


def _is_unseen(character: str) -> bool:
    """Tell whether a character is a mark of format, such as a soft hyphen; a joiner is a part of what it joins."""
    return unicodedata.category(character) == "Cf" and character != JOINER


def _span(span: Any, field: str, where: str) -> Span:
    """Read a span in one of its forms."""
    if isinstance(span, dict):
        keys = [next((key for key in names if key in span), None) for names in (START, END, TYPE)]
        span = [span[key] for key in keys] if None not in keys else None
        if span is not None and isinstance(span[2], list) and len(span[2]) == 1:
            span[2] = span[2][0]
    if isinstance(span, list) and len(span) == 3 and isinstance(span[2], str):
        start, end = span[:2]
        if all(isinstance(n, int) and not isinstance(n, bool) for n in (start, end)) and span[2].strip():
            return start, end, span[2]
    raise UserError(f"'{field}' holds something that is not a span", where=where, do=DO)


def _tagged(count: int, spans: list[Span], field: str, where: str, unit: str) -> list[str]:
    tags = ["O"] * count
    for start, end, type in spans:
        if not 0 <= start < end <= count:
            what = f"'{field}' has a span {start}..{end} in {count} {unit}"
            raise UserError(what, where=where, do="correct the span; its end is exclusive")
        if any(tag != "O" for tag in tags[start:end]):
            what = f"'{field}' has overlapping spans, at {start}..{end} of {count} {unit}"
            raise UserError(what, where=where, do="keep one of them: a word has one tag")
        tags[start:end] = [f"B-{type}"] + [f"I-{type}"] * (end - start - 1)
    return tags


def with_tags(row: Row, names: dict[str, str], where: str) -> Row:
    """Make a row's words and tags, by field.

    Args:
        row: the row.
        names: `spans` and, where these count characters, `text`: the fields they stand in; `tokens`: that of the words.
        where: where it stands.
    """
    spans = row.get(names["spans"])
    if "text" not in names:
        return {"tags": word_tags(row.get(names["tokens"]) or [], spans, names["spans"], where)}
    words, tags = text_tags(row.get(names["text"]), spans, names["spans"], where)
    return {"tokens": words, "tags": tags}
