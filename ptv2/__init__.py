"""P-Tuning v2 with multitask prompt pretraining: deep prompts on a frozen backbone.

`fit` trains a config, `load` makes a run ready to predict, `attach` puts its prompt into a plain transformers model,
`export` writes it for another program, `push` puts it on the hub, and `convert` reads what others wrote; all are
resolved on first use, so that importing the package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ptv2.artifact.artifact import Artifact
    from ptv2.errors import UserError
    from ptv2.exchange.attach import attach
    from ptv2.exchange.convert import convert
    from ptv2.exchange.export import export
    from ptv2.exchange.push import push
    from ptv2.model.predictor import load
    from ptv2.train.run import fit

__version__ = "0.2.0"

__all__ = ["Artifact", "UserError", "attach", "convert", "export", "fit", "load", "push"]

PLACES = {
    "Artifact": "ptv2.artifact.artifact",
    "UserError": "ptv2.errors",
    "attach": "ptv2.exchange.attach",
    "convert": "ptv2.exchange.convert",
    "export": "ptv2.exchange.export",
    "fit": "ptv2.train.run",
    "load": "ptv2.model.predictor",
    "push": "ptv2.exchange.push",
}
"""Name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module 'ptv2' has no attribute '{name}'")
    globals()[name] = found = getattr(import_module(PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *PLACES})
