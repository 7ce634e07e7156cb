"""Keys that take one name, or a list of several: `method`, `bitfit.biases`, `lora.targets`."""

from ptv2.errors import UserError, nearest

BIASES = ("query", "key", "value", "attention_output", "first", "second", "layernorm")
"""Subsets of a backbone's biases, by what their layer does; `first` and `second` are of the feed-forward layer."""


def parse_names(spec: object, where: object, words: str) -> tuple[str, ...]:
    """Parse a name, or a list of distinct names.

    Args:
        spec: the value of the key.
        where: the key.
        words: what to use instead of a value that is none.

    Raises:
        UserError: it is something else, or names one twice.
    """
    names = [spec] if isinstance(spec, str) else spec
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise UserError(f"'{spec}' is not a name or a list of names", where=where, do=f"use {words}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"'{twice[0]}' is named twice", where=where, do="name each once")
    return tuple(names)


def parse_methods(spec: object, where: object = "method") -> tuple[str, ...]:
    """Parse `method`: one, or a union of several: a list, or `deep+lora` as results and artifacts say it.

    Raises:
        UserError: it is something else, or names one twice.
    """
    return parse_names(spec.split("+") if isinstance(spec, str) else spec, where, "a method, or a list of methods")


def parse_biases(spec: object) -> tuple[str, ...]:
    """Parse `bitfit.biases`; `all` stands alone.

    Raises:
        UserError: an unknown subset.
    """
    where = "bitfit.biases"
    names = parse_names(spec, where, f"all, or some of {', '.join(BIASES)}")
    if names == ("all",):
        return names
    for name in names:
        if name not in BIASES:
            raise UserError(f"no subset '{name}' of the biases", where=where, do=nearest(name, BIASES))
    return names
