"""JSON documents that hold rows in another form than one object each: wrapped lists, pandas' tables, SQuAD's site."""

from collections.abc import Iterator
from typing import Any

from ptv2.errors import UserError
from ptv2.rows.table import Row

WRAPPERS = ("data", "rows", "examples", "instances")
"""Keys under which a document may hold the list of its rows."""
OF_ROWS = ("examples", "instances")
"""Those that a row may have, too: of a few-shot prompt."""
ABOUT = {
    "citation", "count", "dataset", "date", "description", "features", "homepage", "info", "language", "licence",
    "license", "meta", "metadata", "name", "size", "source", "split", "task", "title", "total", "url", "version",
}  # fmt: skip
"""Keys that tell of a document, beside its rows."""


def rows_in(document: Any, path: str) -> list[Any] | None:
    """Find the rows of a document; None where its form is unknown, or it is one row itself.

    Known are {"data": [row, ...]} (also rows, examples, instances) and what pandas' `to_json` writes: by columns
    ({"text": {"0": ...}}), by index ({"0": {"text": ...}}) and split ({"columns": [...], "data": [[...]]}).

    Raises:
        UserError: columns of different lengths.
    """
    if not isinstance(document, dict) or not document:
        return None
    values = list(document.values())
    if isinstance(document.get("columns"), list) and _lists(document.get("data")):
        names = document["columns"]
        for number, cells in enumerate(document["data"]):
            if len(cells) != len(names):
                what = f"{len(cells)} values for {len(names)} columns"
                raise UserError(what, where=f"{path}, row {number}", do="give each column a value")
        return [dict(zip(map(str, names), cells, strict=True)) for cells in document["data"]]
    for key in WRAPPERS:
        listed = document.get(key)
        if isinstance(listed, list) and listed and all(isinstance(item, dict) for item in listed):
            others = document.keys() - {key}
            if others & set().union(*listed) - ABOUT or (key in OF_ROWS and others - ABOUT):
                return None  # a row itself, which has such a list
            return [item["row"] if isinstance(item.get("row"), dict) else item for item in listed]
    if all(isinstance(value, dict) for value in values):
        if _numbers(document):
            return values
        if all(_numbers(value) for value in values):
            if any(value.keys() != values[0].keys() for value in values):
                names = ", ".join(document)
                raise UserError(f"columns of different rows ({names})", where=path, do="give each row every column")
            return [{name: column[key] for name, column in document.items()} for key in values[0]]
    return None


def flat(row: Any, place: str) -> Iterator[Any]:
    """Return a row as it is, or the questions of an article in the form of SQuAD's site, one row each.

    {"title": ..., "paragraphs": [{"context": ..., "qas": [{"id", "question", "answers": [{text, answer_start}]}]}]}
    becomes rows {id, title, context, question, answers: {text: [...], answer_start: [...]}}.

    Raises:
        UserError: a paragraph or question without its parts.
    """
    paragraphs = row.get("paragraphs") if isinstance(row, dict) else None
    if not isinstance(paragraphs, list) or not any(isinstance(one, dict) and "qas" in one for one in paragraphs):
        yield row
        return
    for number, paragraph in enumerate(paragraphs):
        where = f"{place}, paragraph {number}"
        context, questions = _part(paragraph, "context", str, where), _part(paragraph, "qas", list, where)
        for asked in questions:
            answers = _part(asked, "answers", list, where) if "answers" in _dict(asked, where) else None
            made: Row = {key: value for key, value in asked.items() if key != "plausible_answers"}
            made |= {"title": row.get("title"), "context": context, "question": _part(asked, "question", str, where)}
            if answers is not None:
                texts = [_part(answer, "text", str, where) for answer in answers]
                made["answers"] = {"text": texts, "answer_start": [answer.get("answer_start") for answer in answers]}
            yield made


def _part(holder: Any, name: str, kind: type, where: str) -> Any:
    value = _dict(holder, where).get(name)
    if not isinstance(value, kind):
        do = "write it as SQuAD's site does: paragraphs with context and qas, each with question and answers"
        raise UserError(f"no '{name}' in the nested form", where=where, do=do)
    return value


def _dict(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        raise UserError("not an object in the nested form", where=where, do="write paragraphs and qas as objects")
    return value


def _numbers(mapping: Row) -> bool:
    """Tell whether all keys are row numbers."""
    return bool(mapping) and all(key.isdecimal() for key in mapping)


def _lists(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, list) for item in value)
