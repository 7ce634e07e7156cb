"""Which texts of a row are read, and as what: a text, a pair, a source."""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from ptv2.guess.fields import Field, flat
from ptv2.guess.names import (
    ANSWERS,
    ASIDE,
    ASKED,
    EXPLAINS,
    NUMBERED,
    PERSON,
    READ,
    RECORD,
    TITLE,
    WRONG,
    is_named,
    is_rendered,
)
from ptv2.guess.proposal import Seen
from ptv2.kinds.templates import quoted

SIBLINGS = re.compile(r"(.*?)[_ -]?(?:1|2|a|b|one|two|left|right|first|second)", re.IGNORECASE)
MOST = 6  # fields that are read
PART = 0.1  # of the longest text: shorter fields say what a source is filed under


def texts_beside(seen: Seen, taken: Collection[str], short: bool = False) -> list[Field]:
    """List the texts of the rows that are read beside the fields that are `taken`, in the rows' order.

    A field is left out if it is often blank, tells rows apart, is a date, or says in a word what rows are filed under,
    unless the word stands in another text of its row; and where there are others, if it explains the answer or is
    another form of a text. With `short`, words that are never blank are read, too, and alone some that are.
    """
    texts = [field for field in seen.of("text") if field.name not in taken and field.filled >= 0.95]
    texts = [field for field in texts if not field.is_time]
    texts = [field for field in texts if not _follows(field, seen)] or texts
    rich = [field for field in texts if field.is_rich]
    found = [
        field
        for field in texts
        if field in rich
        or (
            (field.name not in seen.blank and field.distinct > 1)
            and (_stands_in(field, rich) or (short and not (rich and _says_which(field))))
        )
    ]
    found = found or ([field for field in texts if field.distinct > 1] if short else [])
    chosen = sorted(found, key=lambda field: field not in rich)[:MOST]
    return [field for field in found if field in chosen]


def _follows(field: Field, seen: Seen) -> bool:
    """Tell whether a text follows from the rest of its row or says whose it is, by its name."""
    return any(is_named(field.name, names) for names in (EXPLAINS, PERSON)) or is_rendered(field.name, seen.fields)


def _says_which(field: Field) -> bool:
    """Tell whether short texts say which row it is, or something beside it: of one piece, and never repeated."""
    one_piece = not any(" " in str(value) for value in field.values if value)
    return is_named(field.name, ASIDE) or (one_piece and field.distinct > 0.9 * len(field.values))


def blank_texts(seen: Seen, taken: Collection[str]) -> list[Field]:
    """List the texts that are read where each row has one, the longest first, and that some rows lack."""
    texts = [field for field in seen.of("text") if field.name not in taken and field.filled < 0.95 and field.is_rich]
    return sorted(texts, key=lambda field: -field.words)


def _stands_in(field: Field, others: Sequence[Field]) -> bool:
    """Tell whether a field's word stands in other texts of its row, as a target word or a span does."""
    inside = 0
    for i, value in enumerate(field.values):
        inside += any(value and _is_word_of(str(value), str(other.values[i])) for other in others)
    return inside > 0.5 * len(field.values)


def _is_word_of(word: str, text: str) -> bool:
    """Tell whether a word begins in a text, and if it is of one or two letters, ends there, too.

    In scripts without blanks between words, it may stand anywhere.
    """
    letter = "[a-zA-Z0-9]" if word.isascii() else "$^"  # the latter is nowhere
    end = f"(?!{letter})" if len(word) < 3 else ""
    return re.search(f"(?<!{letter}){re.escape(word)}{end}", text, re.IGNORECASE) is not None


def text_roles(texts: Sequence[Field]) -> dict[str, str]:
    """Say which texts are `text` and `pair`: two are a pair, unless one is the other's title; the longest is alone."""
    if len(texts) == 1:
        return {"text": alone(texts[0])}
    numbered = Counter(found[1] for field in texts if (found := NUMBERED.fullmatch(field.name)))
    if max(numbered.values(), default=0) > 2:  # parts of one text
        return {"text": joined(texts)}
    siblings = [field for field in texts if SIBLINGS.fullmatch(field.name) and field.is_rich]
    stems = [SIBLINGS.fullmatch(field.name)[1] for field in siblings]  # type: ignore[index]
    if len(siblings) == 2 and stems[0] == stems[1]:
        first, second = siblings
    elif len(texts) == 2 and any(TITLE.fullmatch(field.name) for field in texts):
        title, body = sorted(texts, key=lambda field: TITLE.fullmatch(field.name) is None)
        return {"text": f"{_placeholder(title)}. {_placeholder(body)}"}
    elif len(texts) == 2:
        first, second = texts
    else:
        first = max(texts, key=lambda field: field.words)
        return {"text": alone(first), "pair": joined([field for field in texts if field is not first])}
    others = [field for field in texts if field not in (first, second)]
    return {"text": joined([*others, first]), "pair": alone(second)}


def joined(fields: Sequence[Field], separator: str = " ") -> str:
    """Write the template that reads these fields, one after the other."""
    if len(fields) == 1 and fields[0].form == "text":
        return alone(fields[0])
    return separator.join(_placeholder(field) for field in fields)


def alone(field: Field) -> str:
    """Write an input that is one field: its name, or a template where the name itself looks like one."""
    return _placeholder(field) if "{" in field.name else field.name


def _placeholder(field: Field) -> str:
    """Write a field for a template: the items of a list of texts are lines, those of lists of lists are separated."""
    name = quoted(field.name)
    if field.form == "lists":
        return f"{{{name}: | }}"
    return f"{{{name}:\n}}" if field.form == "texts" else f"{{{name}}}"


def sources(seen: Seen, target: Field, taken: Collection[str] = ()) -> list[Field]:
    """List what a text is written from: the fields that make up most of the rest of a row, and what is asked.

    Left out are wrong answers, other forms of the answer, and a text that the answer and another source are parts of.
    """
    found = [
        field
        for field in seen.of("text", "texts", "lists")
        if field is not target and field.name not in taken and field.filled >= 0.9 and field.is_rich
        and "reference" not in field.name.lower() and not (target.name == "chosen" and field.name == "rejected")
    ]  # fmt: skip
    found = [field for field in found if not _same_object(field, target)] or found  # {"translation": {"en", "de"}}
    if is_named(target.name, ANSWERS):
        found = [field for field in found if not is_named(field.name, ANSWERS)]
    found = [field for field in found if not is_named(field.name, WRONG)] or found
    parts = [field for field in found if _is_part(target, field) and not is_named(field.name, READ)]
    whole = [field for field in parts if any(_is_part(other, field) for other in found if other is not field)]
    found = [field for field in found if field not in whole]
    records = [field for field in found if is_record(field)]
    found = [field for field in found if field not in records[:-1]]  # of several forms of the data, the last
    longest = max((field.words for field in found), default=0)
    return [field for field in found if field.words >= PART * longest or _is_asked(field)][:MOST]


def is_record(field: Field) -> bool:
    """Tell whether a field holds data that a text is written from, by its name."""
    return is_named(field.name.rpartition(".")[2], RECORD)


def _is_part(field: Field, whole: Field) -> bool:
    """Tell whether a text stands in another one, in nearly all rows."""
    pairs = list(zip(field.values, whole.values, strict=True))
    return sum(isinstance(a, str) and isinstance(b, str) and a in b and a != b for a, b in pairs) > 0.9 * len(pairs)


def _is_asked(field: Field) -> bool:
    """Tell whether a text is a question or says what to do."""
    marked = sum(str(value).strip()[-1:] in "?？" for value in field.values if value)
    return is_named(field.name, ASKED) or marked > len(field.values) / 2


def _same_object(field: Field, target: Field) -> bool:
    return target.nested and field.name.partition(".")[0] == target.name.partition(".")[0]


def is_dense(fields: Sequence[Field]) -> bool:
    """Tell whether most characters of the texts are of a script without blanks between words."""
    texts = "".join(str(value) for field in fields for value in list(flat(field.values))[:200])
    return len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff]", texts)) > 0.3 * len(texts)
