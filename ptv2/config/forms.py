"""Forms of a deep prompt: the values of `prompt.form`."""

from ptv2.errors import UserError, nearest

IN_SOFTMAX = ("kv", "hidden")
"""Forms whose positions the queries attend to, beside the tokens."""
FORMS = (*IN_SOFTMAX, "memory", "slots", "values", "queries")


def parse_forms(spec: object) -> tuple[str, ...]:
    """Parse `prompt.form`: one form, or a list of several that are trained together.

    Raises:
        UserError: an unknown form, one named twice, or two that exclude each other.
    """
    names = [spec] if isinstance(spec, str) else spec
    if not isinstance(names, list) or not names:
        raise UserError(f"'{spec}' is not a form", where="prompt.form", do=f"use {', '.join(FORMS)}, or a list of them")
    for name in names:
        if name not in FORMS:
            raise UserError(f"unknown form '{name}'", where="prompt.form", do=nearest(str(name), FORMS))
    if len(set(names)) < len(names):
        raise UserError("a form is named twice", where="prompt.form", do="name each once")
    if set(IN_SOFTMAX) <= set(names):
        what = "kv and hidden are two ways to make the same keys and values"
        raise UserError(what, where="prompt.form", do="use one of them")
    return tuple(names)
