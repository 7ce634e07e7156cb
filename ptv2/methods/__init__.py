"""Methods: which parameters train, and what the backbone is given. One file a method; `METHODS` names them.

A new method is one file and one entry here, or `METHODS["name"] = ...` in a file of the user's own (`--import`).
"""

from ptv2.artifact.artifact import Artifact
from ptv2.config.names import parse_methods
from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest
from ptv2.methods.adapter import Adapter
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.bitfit import BitFit
from ptv2.methods.deep.prompt import DeepPrompt
from ptv2.methods.full import Full
from ptv2.methods.head import HeadOnly
from ptv2.methods.peft import IA3, Lora
from ptv2.methods.prefix import Prefix
from ptv2.methods.prompt import SoftPrompt
from ptv2.methods.ptuning import PTuning
from ptv2.methods.union import union_of

METHODS: dict[str, type[Method]] = {
    "deep": DeepPrompt,
    "prefix": Prefix,
    "prompt": SoftPrompt,
    "ptuning": PTuning,
    "bitfit": BitFit,
    "lora": Lora,
    "ia3": IA3,
    "adapter": Adapter,
    "full": Full,
    "head": HeadOnly,
}


def method_named(spec: object, where: object = "method") -> type[Method]:
    """Return the class of a method, or of the union of several, see `parse_methods`.

    Raises:
        UserError: there is none of this name.
    """
    methods = methods_named(spec, where)
    return next(iter(methods.values())) if len(methods) == 1 else union_of(methods)


def methods_named(spec: object, where: object = "method") -> dict[str, type[Method]]:
    """Return the class of a method, or of each of several, by name.

    Raises:
        UserError: there is none of this name.
    """
    names = parse_methods(spec, where)
    for name in names:
        if name not in METHODS:
            raise UserError(f"unknown method '{name}'", where=where, do=nearest(name, METHODS))
    return {name: METHODS[name] for name in names}


def method_of(config: Config) -> type[Method]:
    """Return the class of the config's method, once it has checked the config.

    Raises:
        UserError: no such method, or a config that it refuses.
    """
    method = method_named(config.method)
    method.check(config)
    return method


def at_the_input(artifact: Artifact) -> bool:
    """Tell whether an artifact's prompt stands at the input, and in no layer."""
    return any(METHODS.get(name, Method).at_the_input for name in artifact.methods)


def check_start(config: Config, artifacts: Artifacts) -> None:
    """Refuse a start from a prompt that stands at another place: the shapes may agree all the same.

    Raises:
        UserError: at the input and not in layers, or the other way round.
    """
    if (path := config.prompt.start.path) is None:
        return
    for name, method in methods_named(config.method).items():
        artifact = artifacts[path].part(name)
        if method.has_prompts and at_the_input(artifact) != method.at_the_input:
            here, there = ("in layers", "at the input")[:: 1 if method.at_the_input else -1]
            what = f"is of method '{'+'.join(artifact.methods)}', whose prompt stands {here}"
            raise UserError(what, where=path, do=f"start from one that stands {there}, or use its method")
