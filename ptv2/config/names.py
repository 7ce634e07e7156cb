"""Keys that take one name, or a list of several: `method`, `prompt.form`, `bitfit.biases`, `lora.targets`."""

from collections.abc import Sequence

from ptv2.errors import UserError, nearest

BIASES = ("query", "key", "value", "attention_output", "first", "second", "layernorm")
"""Subsets of a backbone's biases, by what their layer does; `first` and `second` are of the feed-forward layer."""
IN_SOFTMAX = ("kv", "hidden")
"""Forms whose positions the queries attend to, beside the tokens."""
FORMS = (*IN_SOFTMAX, "memory", "slots", "values", "queries")
"""Forms of a deep prompt."""


def parse_names(
    spec: object,
    where: object,
    words: str,
    known: Sequence[str] = (),
    odd: str = "is not a name or a list of names",
    unknown: str = "",
    twice: str = "'{}' is named twice",
) -> tuple[str, ...]:
    """Parse a name, or a list of distinct names.

    Args:
        spec: the value of the key.
        where: the key.
        words: what to use instead of a value that is none.
        known: the names that there are; none: any.
        odd: what is said of something else.
        unknown: what is said of a name that is not known.
        twice: what is said of a name that is there twice.

    Raises:
        UserError: see above.
    """
    names = [spec] if isinstance(spec, str) else spec
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise UserError(f"'{spec}' {odd}", where=where, do=f"use {words}")
    if known and (strange := [name for name in names if name not in known]):
        raise UserError(unknown.format(strange[0]), where=where, do=nearest(strange[0], known))
    if again := [name for name in names if names.count(name) > 1]:
        raise UserError(twice.format(again[0]), where=where, do="name each once")
    return tuple(names)


def parse_methods(spec: object, where: object = "method") -> tuple[str, ...]:
    """Parse `method`: one, or a union of several: a list, or `deep+lora` as results and artifacts say it.

    Raises:
        UserError: it is something else, or names one twice.
    """
    return parse_names(spec.split("+") if isinstance(spec, str) else spec, where, "a method, or a list of methods")


def parse_forms(spec: object) -> tuple[str, ...]:
    """Parse `prompt.form`: one form, or a list of several that are trained together.

    Raises:
        UserError: an unknown form, one named twice, or two that exclude each other.
    """
    where, words = "prompt.form", f"{', '.join(FORMS)}, or a list of them"
    twice = "a form is named twice"
    names = parse_names(spec, where, words, FORMS, "is not a form", "unknown form '{}'", twice)
    if set(IN_SOFTMAX) <= set(names):
        what = "kv and hidden are two ways to make the same keys and values"
        raise UserError(what, where=where, do="use one of them")
    return names


def parse_biases(spec: object) -> tuple[str, ...]:
    """Parse `bitfit.biases`; `all` stands alone.

    Raises:
        UserError: an unknown subset, or one named twice.
    """
    if spec in ("all", ["all"]):
        return ("all",)
    words = f"all, or some of {', '.join(BIASES)}"
    return parse_names(spec, "bitfit.biases", words, BIASES, unknown="no subset '{}' of the biases")
