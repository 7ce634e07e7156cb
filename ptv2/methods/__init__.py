"""Methods: which parameters train, and what the backbone is given. One file a method; `METHODS` names them.

A new method is one file and one entry here, or `METHODS["name"] = ...` in a file of the user's own (`--import`).
"""

from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest
from ptv2.methods.base import Method
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.full import Full
from ptv2.methods.head import HeadOnly
from ptv2.methods.prefix import Prefix
from ptv2.methods.prompt import SoftPrompt
from ptv2.methods.ptuning import PTuning

METHODS: dict[str, type[Method]] = {
    "deep": DeepPrompt,
    "prefix": Prefix,
    "prompt": SoftPrompt,
    "ptuning": PTuning,
    "head": HeadOnly,
    "full": Full,
}


def method_named(name: str, where: object = "method") -> type[Method]:
    """Return the class of a method.

    Raises:
        UserError: there is none of this name.
    """
    if name not in METHODS:
        raise UserError(f"unknown method '{name}'", where=where, do=nearest(name, METHODS))
    return METHODS[name]


def method_of(config: Config) -> type[Method]:
    """Return the class of the config's method, once it has checked the config.

    Raises:
        UserError: no such method, or a config that it refuses.
    """
    method = method_named(config.method)
    method.check(config)
    return method
