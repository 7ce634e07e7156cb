"""YAML in which a key that holds text keeps it as it was typed: 007, 1e5, 12:30 and no are names there.

YAML gives every unquoted word a type of its own choice. Here the schema chooses: where it wants text, an unquoted word
is that text; only null stays null. Everywhere else words are read as YAML 1.2 reads them (no octal 010, no base-60
12:30), except true and false, which may be yes, no, on and off as well.
"""

import re
from typing import Any, get_args

import yaml

from ptv2.config.keys import inner, is_mapping, of_origin, options, takes_text

TEXT, BOOL, NULL, MERGE = (f"tag:yaml.org,2002:{name}" for name in ("str", "bool", "null", "merge"))


class _Loader(yaml.SafeLoader):
    """A safe loader without YAML's guesses."""


_NUMBERS = {
    "int": r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F_]+|0b[01_]+",
    "float": r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+|[-+]?(?:[0-9][0-9_]*)?\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*\.|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_OTHER = {f"tag:yaml.org,2002:{name}" for name in (*_NUMBERS, "timestamp", "value")}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OTHER]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """A safe dumper that puts in quotes what YAML, or a loader like the above, would take for a number."""


for _name, _pattern in _NUMBERS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), list("-+0123456789.")
        )


def dump(values: Any, inline: bool = False) -> str:
    """Write plain values as YAML that reads back as they are; `inline`: lists of single values, too, on one line."""
    flow, width = (None, 110) if inline else (False, None)
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=width)


def load(text: str, kind: Any = Any, flags: bool = False) -> Any:
    """Read a YAML document.

    Args:
        text: the document.
        kind: the type of its root in the schema, or the types of its keys; Any: of no known type.
        flags: in lists of text, take yes, no, on, off, true and false as text, instead of leaving them true and false.

    Raises:
        ValueError: not YAML, a key that appears twice, or an alias of a node around it; names the line.
    """
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise ValueError("a character that YAML cannot hold") from error
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _keep_text(node, kind, flags, ())
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"{error.problem or error.context}{place}") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    finally:
        loader.dispose()


def value_of(text: str, kind: Any) -> Any:
    """Read the value that `text` on the command line stands for, at a key of type `kind`.

    Where the schema wants text, it is taken as it stands, less quotes around the whole; null or nothing is None.

    Raises:
        ValueError: not YAML, where that is wanted.
    """
    only_text = all(one in (str, type(None)) or takes_text(one) for one in options(kind))
    try:
        value = load(text, Any if only_text else kind, flags=True)
    except ValueError:
        if only_text:
            return text
        raise
    if value is None and text.strip()[:1] not in tuple("#!&"):
        return None
    if text[:1] in ("'", '"') and isinstance(value, str):
        return value
    plain = isinstance(value, str) and text[:1] not in "!&*|>"  # a # would begin a comment
    return text if only_text or plain else value


def _keep_text(node: yaml.Node, kind: Any, flags: bool, above: tuple[yaml.Node, ...]) -> None:
    """Tag as text what the schema wants as text, from `node` down; refuse what YAML would ignore."""
    if any(node is one for one in above):
        raise yaml.MarkedYAMLError(problem="an alias refers to a node that contains it", problem_mark=node.start_mark)
    above = (*above, node)
    if isinstance(node, yaml.ScalarNode) and takes_text(kind) and node.style is None and node.tag != NULL:
        node.tag = TEXT
    elif isinstance(node, yaml.SequenceNode):
        of_list = of_origin(kind, list)
        for item in node.value:
            if flags or item.tag != BOOL:
                _keep_text(item, get_args(of_list)[0] if of_list is not None else Any, flags, above)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if is_mapping(kind) and isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                key.tag = TEXT
            if (key.tag, str(key.value)) in seen and key.tag != MERGE:
                raise yaml.MarkedYAMLError(problem=f"found duplicate key {key.value}", problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
            _keep_text(value, inner(kind, str(key.value)), flags, above)
