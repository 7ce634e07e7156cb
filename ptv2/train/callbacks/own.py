"""Callbacks of the user's own: `run.callbacks: {name: {path: pkg.mod.Class, <its arguments>}}`."""

import inspect
from importlib import import_module
from typing import Any

from lightning.pytorch.callbacks import Callback

from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest


def own_callbacks(config: Config) -> list[Callback]:
    """Make the callbacks that a config adds to a run, in its order.

    Raises:
        UserError: one cannot be imported, is not a Callback of Lightning, or does not take its arguments.
    """
    return [_callback(f"run.callbacks.{name}", about) for name, about in config.run.callbacks.items()]


def _callback(where: str, about: dict[str, Any]) -> Callback:
    arguments = {str(key): value for key, value in about.items() if key != "path"}
    made = _class(where, about["path"])
    try:
        inspect.signature(made).bind(**arguments)
    except TypeError as error:
        takes = ", ".join(inspect.signature(made).parameters) or "nothing"
        raise UserError(f"cannot be made ({error})", where=where, do=f"{made.__name__} takes: {takes}") from error
    try:
        return made(**arguments)
    except Exception as error:  # the user's code, or values that it refuses
        what = f"cannot be made ({type(error).__name__}: {error})"
        raise UserError(what, where=where, do=f"correct its arguments or {about['path']}") from error


def _class(where: str, path: str) -> type[Callback]:
    """Import the class that a path names."""
    module, _, name = path.rpartition(".")
    try:
        held = import_module(module)
    except Exception as error:  # the module is the user's
        what = f"'{module}' cannot be imported ({type(error).__name__}: {error})"
        raise UserError(what, where=where, do="install it, or give its file with --import FILE") from error
    found = getattr(held, name, None)
    if found is None:
        raise UserError(f"'{module}' has no '{name}'", where=where, do=nearest(name, vars(held)))
    if not (isinstance(found, type) and issubclass(found, Callback)):
        raise UserError(f"'{path}' is not a Callback", where=where, do="derive it from lightning.pytorch.Callback")
    return found
