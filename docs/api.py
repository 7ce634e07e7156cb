"""The Python reference: what `import ptv2` offers, from its signatures and docstrings.

Run: python docs/api.py, which writes docs/api.md.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path

import ptv2

PAGE = Path(__file__).with_name("api.md")
HEAD = """\
# Python API

All that `import ptv2` offers, from the docstrings. Examples: [python.md](python.md), [attach.md](attach.md),
[export.md](export.md). What a kind, method or callback of your own builds on: [extending.md](extending.md).
"""
SECTIONS = ("Args", "Returns", "Raises", "Yields")


def page() -> str:
    """Write the page docs/api.md."""
    offered = {name: getattr(ptv2, name) for name in sorted(ptv2.__all__, key=str.lower)}
    functions = {name: found for name, found in offered.items() if not inspect.isclass(found)}
    classes = {name: found for name, found in offered.items() if inspect.isclass(found)}
    for function in functions.values():
        made = typing.get_type_hints(function).get("return")
        if inspect.isclass(made) and made.__module__.startswith("ptv2."):
            classes.setdefault(made.__name__, made)
    lines = [HEAD]
    for name, function in functions.items():
        lines += [f"## `ptv2.{name}`\n", *of_function(f"ptv2.{name}", function)]
    for name, made in classes.items():
        lines += [f"## `{'ptv2.' if name in offered else ''}{name}`\n", *of_class(made)]
    return "\n".join(lines)


def of_function(name: str, function: Callable) -> Iterator[str]:
    """Describe a function: its signature, then its docstring."""
    yield f"```python\n{signature(name, function)}\n```\n"
    yield from sections(inspect.getdoc(function) or "")


def of_class(made: type) -> Iterator[str]:
    """Describe a class, then what it has; how it is made is said by the function that makes it."""
    (text, *_) = re.split(r"\n\n(?=Args:)", inspect.getdoc(made) or "")
    yield from sections(text)
    if is_dataclass(made):
        lines = [f"{field.name}: {plain(inspect.formatannotation(field.type))}" for field in fields(made)]
        yield "\n".join(["```python", *lines, "```\n"])
    for name, found in vars(made).items():
        if name.startswith("_") or not inspect.getdoc(found):
            continue
        if isinstance(found, (property, cached_property)):
            yield f"### `{made.__name__}.{name}`\n"
            yield from sections(inspect.getdoc(found) or "")
        elif inspect.isfunction(found):
            yield f"### `{made.__name__}.{name}()`\n"
            yield from of_function(name, found)


def signature(name: str, function: Callable) -> str:
    """Write a signature with an argument a line, without `self` and the modules of types."""
    whole = inspect.signature(function)
    given = [parameter for key, parameter in whole.parameters.items() if key != "self"]
    keyword_only, parts = False, list[str]()
    for parameter in given:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            if not any(other.kind is other.VAR_POSITIONAL for other in given):
                parts.append("*")
        typed_part, equals, default = str(parameter).partition(" = ")
        parts.append(f"{plain(typed_part)}{equals}{default}")
    made = whole.return_annotation
    ended = "" if made is whole.empty else f" -> {plain(inspect.formatannotation(made))}"
    short = f"{name}({', '.join(parts)}){ended}"
    return short if len(short) <= 88 else "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){ended}"])


def plain(text: str) -> str:
    """Leave out the modules of names, as `collections.abc.`, and quotes around types."""
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])", "", text).replace("'", "")


def sections(text: str) -> Iterator[str]:
    """Write a docstring as Markdown: its text, then arguments, what is returned and what is raised as lists."""
    parts = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.M)
    yield f"{parts[0].strip()}\n"
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        yield f"{title}:\n"
        lines = inspect.cleandoc(f"\n{body}").strip().splitlines()
        items: list[str] = []
        for line in lines:
            if line.startswith(" ") and items:
                items[-1] += f" {line.strip()}"
            elif title in ("Args", "Raises") or not items:
                items.append(line)
            else:
                items[-1] += f" {line}"
        for item in items:
            yield re.sub(r"^(\w+): ", r"- `\1`: ", item) if title in ("Args", "Raises") else item
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
