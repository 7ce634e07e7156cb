"""Fill templates: the texts that a kind reads, made of a row's fields and of words between them.

A name that templates would take apart, as of the column "Review: body", stands in quotes: {"Review: body"}.
"""

import re
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ptv2.errors import UserError

Row = dict[str, Any]


QUOTED = re.compile(r"""(?<!\{)\{(?P<name>"[^"]+")(:(?P<joined>[^{}]*))?\}""")
SPECIAL = re.compile(r"""[\[\]{}:!]""")  # in the name of a field: it stands in quotes


@dataclass(frozen=True)
class Part:
    """A part of a text: what a field holds, or words of the template."""

    text: str
    field: str | None = None  # None: words of the template


class Filler(string.Formatter):
    """Templates over a row: dotted fields, and lists joined by what follows the colon, as in "{triples: | }".

    A list inside a list is joined by " : ", so that triples read "subject : relation : object" (Prefix-Tuning).
    """

    def parse(self, format_string: str) -> Iterator[tuple[str, str | None, str | None, str | None]]:
        at = 0
        for match in QUOTED.finditer(format_string):
            yield from super().parse(format_string[at : match.start()])
            yield "", match["name"], match["joined"] or "", None
            at = match.end()
        yield from super().parse(format_string[at:])

    def get_field(self, name: str, args: Any, row: Row) -> tuple[Any, str]:
        if name.startswith('"'):
            return value_at(row, name[1:-1]), name
        return super().get_field(name, args, row) if "[" in name else (value_at(row, name), name)

    def format_field(self, value: Any, spec: str) -> str:
        if not isinstance(value, list):
            return super().format_field(value, spec)
        return (spec or " ").join(self.format_field(v, " : ") if isinstance(v, list) else str(v) for v in value)


def names_of(template: str) -> list[str]:
    """List the fields, dotted where nested, that a template reads; a template without braces is a field's name."""
    return [name for name, _ in _slots(template)]


def _slots(template: str) -> list[tuple[str, bool]]:
    """List the names in a template, and whether each is that of a column as it stands."""
    if "{" not in template:
        return [(template, SPECIAL.search(template) is not None)]
    return [(name.strip('"'), name.startswith('"')) for _, name, *_ in Filler().parse(template) if name]


def quoted(name: str) -> str:
    """Write the name of a field as it stands in the braces of a template."""
    return f'"{name}"' if SPECIAL.search(name) else name


def check_template(template: str, where: str) -> None:
    """Refuse a template whose braces name no fields.

    Raises:
        UserError: see above.
    """
    do = 'write e.g. "{premise} because {choice}"'
    try:
        names = [name for _, name, *_ in Filler().parse(template) if name is not None]
    except ValueError as error:
        raise UserError(f"'{template}' is not a template ({error})", where=where, do=do) from error
    if "{" in template and not (names and all(names)):
        raise UserError(f"'{template}' has braces without a field", where=where, do=do)


def fields_of(template: str) -> set[str]:
    """List the fields, dotted where nested, that a template reads, without the place in a list."""
    return {name if literal else name.partition("[")[0] for name, literal in _slots(template)}


def fill(template: str, row: Row, where: Callable[[], str]) -> str:
    """Return a field's text, or a template such as "{premise} because {choice}" filled from the row.

    Raises:
        UserError: a field is missing or empty, or holds an object, alone or in a list.
    """
    return joined(parts_of(template, row, where))


def parts_of(template: str, row: Row, where: Callable[[], str]) -> list[Part]:
    """Return the parts of a filled template; a field's text is one.

    Raises:
        UserError: a field is missing or empty, or holds an object, alone or in a list.
    """
    for name, literal in _slots(template):
        value = value_at(row, name if literal else name.partition("[")[0])
        if value is None:
            raise UserError(f"field '{name}' is missing", where=where())
        if value == [] or (isinstance(value, str) and not value.strip()):
            raise UserError(f"field '{name}' is empty", where=where(), do="remove the row or give it a text")
        if isinstance(value, dict) and (literal or "[" not in name):
            do = f"name what to read of it, e.g. {name}.{next(iter(value), 'text')}"
            raise UserError(f"field '{name}' holds an object", where=where(), do=do)
        if isinstance(value, list) and (literal or "[" not in name) and not all(map(_is_part, value)):
            what = f"field '{name}' holds a list with null or an object in it"
            raise UserError(what, where=where(), do="correct the list, or name what to read of its objects")
    filler = Filler()
    if "{" not in template:
        return [Part(filler.format_field(value_at(row, template), ""), template)]
    parts = []
    try:
        for words, name, spec, conversion in filler.parse(template):
            parts += [Part(words)] if words else []
            if name is not None:
                form = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                parts.append(Part(filler.vformat(f"{{{form}}}", (), row), name.strip('"')))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(f"'{template}' cannot be filled ({error})", where=where(), do="correct the template") from error
    return parts


def joined(parts: Iterable[Part]) -> str:
    """Return the text that the parts make."""
    return "".join(part.text for part in parts)


def _is_part(value: Any) -> bool:
    """Tell whether a value in a list can stand in a text."""
    return all(map(_is_part, value)) if isinstance(value, list) else value is not None and not isinstance(value, dict)


def value_at(row: Row, path: str) -> Any:
    """Return what stands at a dotted path of a row, e.g. `choices.text`; None where nothing does.

    In a list of objects it is the list of what each object holds.
    """
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if isinstance(value, list):
            value = [item.get(part) if isinstance(item, dict) else None for item in value]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value
