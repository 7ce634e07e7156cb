"""What rows leave unclear, so that a guess would be wrong: no header, several labels in a cell, no answer at all."""

import re
from collections import defaultdict

from ptv2.errors import UserError
from ptv2.guess.fields import NUMBER, RICH_WORDS, Field, form_of, tags_in, words_in
from ptv2.guess.proposal import Seen
from ptv2.rows.labels import missing, text_of
from ptv2.rows.rows import Rows

LISTED = re.compile(r"[\[{].*[,'\"].*[\]}]|\[\]", re.DOTALL)
COMMA = re.compile(r"[-+]?\d+,\d+")
RARE = 0.1  # share of the rows, below which a mark between labels says nothing
MARKS = ";|,/"  # between the labels of a cell
PLURAL = re.compile(r"(.+_)?(labels|classes|emotions|tags|categories|genres|topics|intents)", re.IGNORECASE)
"""Of fields whose labels may have blanks between them."""
THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")
AMOUNT = re.compile(r"(?=.*[$€£¥%,])[-+]?[$€£¥]?\s?\d[\d.,]*\s?[$€£¥%]?")  # with a sign of its unit, or with commas
IDS = re.compile(r"\d+([,;| ]\s*\d+)*")  # of labels, one or several
NAME = 5  # words of a label, at most
CODE = re.compile(r"[A-Za-z]{0,2}\d+(\.\d+)?")
IN_BRACKETS = re.compile(r"(<[^<>]+>)+")
SHOWN = 20  # fields that a message lists
FLAGS = 3  # columns of 0 and 1 side by side, from which they are labels and not a label and an aside
AMOUNTS = 5  # that differ, from which they are a quantity


def check_header(rows: Rows, where: str) -> None:
    """Refuse a table whose first line is a row as the others.

    Raises:
        UserError: names of columns stand in the columns, or are numbers beside a text.
    """
    names = rows.data.column_names
    cells = {name: ["" if missing(value) else text_of(value) for value in rows.data[name]] for name in names}
    if any(list(row) == list(names) for row in zip(*cells.values(), strict=True)):
        return  # files were joined, each with its header
    columns = {name: {*values} - {""} for name, values in cells.items()}
    text = any(words_in(name) >= RICH_WORDS for name in names)
    for name, values in columns.items():
        number = NUMBER.fullmatch(name) is not None
        shared = 2 * len(values) <= len(rows.data)  # as labels are
        numbers = all(NUMBER.fullmatch(value) or IDS.fullmatch(value) for value in values)
        if (name in values and shared and not number) or (number and text and numbers):
            what = f"the first line is read as the names of the columns, and '{name}' is a value as the others"
            raise UserError(what, where=where, do="begin the file with a line of names, such as text and label")


def check_single(field: Field) -> None:
    """Refuse a label whose cells hold several labels, or numbers that are read as texts.

    Raises:
        UserError: lists written as texts, or labels with a mark between them, some of which stand at several places;
            tags of words; decimal commas.
    """
    check_tags(field)
    check_commas(field)
    texts = [name for name in field.counts if field.form == "text"]
    example = max(texts, key=len, default="")
    found = bool(texts) and (
        all(map(LISTED.fullmatch, texts)) or (all(map(IN_BRACKETS.fullmatch, texts)) and "><" in example)
    )
    for mark in MARKS + (" " if PLURAL.fullmatch(field.name.rpartition(".")[2]) else ""):
        places: defaultdict[str, set[int]] = defaultdict(set)
        for name in texts:
            for place, part in enumerate(name.split(mark)):
                places[part.strip()].add(place)
        marked = sum(field.counts[name] for name in texts if mark in name) > RARE * field.counts.total()
        numbers = sum(NUMBER.fullmatch(part) is not None for part in places)
        ids = all(map(IDS.fullmatch, texts)) and not all(map(THOUSANDS.fullmatch, texts))
        coded = all(map(CODE.fullmatch, places)) and mark != "/" and (mark != "," or ids)
        names = all(words_in(part) <= NAME for part in places) and (numbers == 0 or coded)
        moved = sum(len(at) > 1 for at in places.values())  # parts that stand at several places
        alone = mark != " " or sum(part in field.counts for part in places) > len(places) / 2
        found = found or (marked and names and len(places) <= len(texts) and moved > 1 and alone)
    if found:
        do = "write a list a row, as JSON lines: kind multilabel"
        raise UserError(f"'{field.name}' holds several labels in a cell, such as {example}", do=do)


def check_flags(candidates: list[Field]) -> None:
    """Refuse several columns of 0 and 1, one for each label, of which no name chooses one.

    Raises:
        UserError: all candidates for the label are such.
    """
    if len(candidates) >= FLAGS and all(map(is_flag, candidates)):
        *_, last = names = [field.name for field in candidates]
        what = f"{', '.join(map(repr, names[:-1]))} and '{last}' hold a 0 or 1 a row, as for several labels"
        do = "write the labels of a row as a list (kind multilabel), or its only one as a name in a column 'label'"
        raise UserError(what, do=do)


def is_flag(field: Field) -> bool:
    """Tell whether it says yes or no of each row."""
    return set(field.counts) in ({"0", "1"}, {"false", "true"}) and field.filled > 0.9


def check_commas(field: Field) -> None:
    """Refuse numbers that are read as texts.

    Raises:
        UserError: all values are numbers with a comma, or with a sign of their unit.
    """
    if field.form != "text":
        return
    example = next(iter(field.counts))
    if all(map(THOUSANDS.fullmatch, field.counts)):
        do = "write 1234 for 1,234, and a list a row where these are several labels"
        raise UserError(f"'{field.name}' holds numbers with a comma, such as {example}", do=do)
    if all(map(COMMA.fullmatch, field.counts)):
        do = "write a point where it is decimal, and a list a row where these are several labels"
        raise UserError(f"'{field.name}' holds numbers with a comma, such as {example}", do=do)
    if field.distinct >= AMOUNTS and all(map(AMOUNT.fullmatch, field.counts)):
        do = "write the number alone, with a point where it is decimal"
        raise UserError(f"'{field.name}' holds numbers with other signs, such as {example}", do=do)


def check_tags(field: Field) -> None:
    """Refuse tags of words that are no list of them: written as a text, or a word a row.

    Raises:
        UserError: the field holds such.
    """
    if not field.is_tags:
        return
    example = max(field.counts, key=len)
    if any(len(tags_in(text)) > 1 for text in field.counts):
        do = "write a list of words and a list of tags a row, as JSON lines"
        raise UserError(f"'{field.name}' holds the tags of words as a text, such as {example}", do=do)
    do = "write a list of words and a list of tags a sentence, as JSON lines, or a CoNLL file"
    raise UserError(f"a row is a word here, '{field.name}' holds its tag, such as {example}", do=do)


def no_answer(seen: Seen, named: list[Field]) -> UserError:
    """Make the error of rows without an answer, with the reason why a field that is `named` as one is none."""
    for field in named:
        check_single(field)
        if (why := _why_not(field, len(seen.rows))) is not None:
            return UserError(f"no field looks like an answer to a text: '{field.name}' {why[0]}", do=why[1])
    for field in seen.of("text"):
        check_tags(field)
        check_commas(field)
    own = [f"{field.name} ({field.form})" for field in seen.fields.values() if not field.nested]
    names = ", ".join(own if len(own) <= SHOWN else [*own[:SHOWN], f"and {len(own) - SHOWN} more"])
    do = "give each row a text and an answer, such as a field 'label'; docs/tasks.md lists the kinds"
    return UserError(f"no field looks like an answer to a text, there are {names}", do=do)


def _why_not(field: Field, rows: int) -> tuple[str, str] | None:
    """Say why a field that is named as an answer is none, and what to do."""
    if field.nested:
        return "lies in an object", "write it into a field of the row itself"
    if field.filled <= 0.9:
        return f"is blank in {1 - field.filled:.0%} of the rows", "fill it, or remove these rows"
    if field.distinct < 2:
        return f"is '{next(iter(field.counts), '')}' in every row", "give rows of other answers, too"
    if field.form == "text" and (odd := _odd(field)) is not None:
        return f"holds numbers, and '{odd}' among them", "leave such cells blank, or remove their rows"
    if field.is_time:
        return "holds dates, which are not taken for labels", "write what is to be learned of them, such as the year"
    if field.form in ("text", "whole"):
        return f"holds {field.distinct} values in {rows} rows, too many to be labels", "give more rows of each label"
    return None


def _odd(field: Field) -> str | None:
    """Find a value that is none of the numbers which nearly all others are."""
    odd = [value for value in field.values if value is not None and form_of(value) == "text"]
    return str(odd[0]) if odd and len(odd) <= RARE * len(field.values) else None
