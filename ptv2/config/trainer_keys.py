"""What `trainer:` in a config may say: the arguments of lightning.Trainer, less those that a run sets itself.

The signature is read from the source of the installed Lightning: importing it would take seconds of every command.
"""

import ast
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ptv2.errors import UserError, nearest

OURS = {"self", "logger", "callbacks", "default_root_dir", "plugins", "enable_checkpointing"}


INSTEAD = {
    "fast_dev_run": "use --dry-run, which does everything up to the first batch",
    "limit_train_batches": "use mixture.steps_per_epoch=N",
    "reload_dataloaders_every_n_epochs": "the batches of all epochs follow from the seed",
    "overfit_batches": "use data.limit.train=N",
    "limit_val_batches": "scores are of whole splits: use data.limit.validation=N",
    "limit_test_batches": "use data.limit.test=N",
    "limit_predict_batches": "give ptv2.predict fewer rows",
    "barebones": "leave it out: a run logs and keeps checkpoints",
}
"""Arguments of the Trainer that a run has no use for -> what to use instead."""


PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "32", "bf16", "16")
"""Values of `precision`: what is trained stays float32; the frozen weights have a dtype of their own."""


COUNTS = ("accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch")
"""Arguments with which Lightning divides."""


TIMES = ("weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds")
"""Parts of a `max_time` that is a mapping."""


TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict}


def check_trainer(values: dict[str, Any], where: str) -> None:
    """Refuse what Lightning's Trainer does not know or would misread.

    Raises:
        UserError: unknown key, or a value of another type than the Trainer's signature names.
    """
    if not values:
        return
    known = signature()
    for key, value in values.items():
        if key not in known:
            raise UserError(f"unknown key 'trainer.{key}'", where=where, do=nearest(key, set(known) - set(INSTEAD)))
        if key in INSTEAD:
            raise UserError(f"'trainer.{key}' is not supported", where=where, do=INSTEAD[key])
        if key == "precision" and value is not None and str(value) not in PRECISIONS:
            # Lightning would cast the prompt and the heads too, which do not learn in 16 bits.
            do = "use bf16-mixed, 16-mixed or 32-true"
            if value in ("bf16-true", "16-true"):
                do = "use backbone.dtype=bfloat16, which casts the frozen weights alone"
            raise UserError(f"'trainer.precision' is '{value}'", where=where, do=do)
        if key == "deterministic" and value not in (None, True, False, "warn"):
            raise UserError(f"'trainer.deterministic' is '{value}'", where=where, do="use true, false or warn")
        if key == "max_time" and isinstance(value, dict) and (odd := _odd_time(value)):
            what = f"'trainer.max_time' is {value}, where {odd}"
            raise UserError(what, where=where, do="write e.g. {hours: 2, minutes: 30}, or 00:02:30:00")
        kinds = known[key]
        if kinds is not None and not isinstance(value, kinds):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise UserError(f"'trainer.{key}' is '{value}'", where=where, do=f"use {wanted}")
        if key in COUNTS and isinstance(value, (int, float)) and value <= 0:
            raise UserError(f"'trainer.{key}' is {value}", where=where, do="use a number above 0")


def without_nulls(trainer: dict[str, Any]) -> dict[str, Any]:
    """Leave out the arguments that are null, as if nobody had set them, where Lightning has no use for it."""
    kinds = signature() if None in trainer.values() else {}
    return {key: value for key, value in trainer.items() if value is not None or not _refuses_null(kinds.get(key))}


def _refuses_null(kinds: tuple[type, ...] | None) -> bool:
    return bool(kinds) and type(None) not in kinds


def _odd_time(parts: dict[Any, Any]) -> str | None:
    """Say what is wrong with a time; None: nothing."""
    if unknown := [str(name) for name in parts if name not in TIMES]:
        return f"'{unknown[0]}' is no part of a time"
    if not all(type(number) in (int, float) and number >= 0 for number in parts.values()) or not any(parts.values()):
        return "a part is no number, or all are 0"
    return None


@cache
def signature() -> dict[str, tuple[type, ...] | None]:
    """Argument of the Trainer that a config may set -> types of plain values; None: words that Lightning checks."""
    spec = find_spec("lightning")
    assert spec is not None and spec.origin is not None  # this package requires it
    source = Path(spec.origin).parent / "pytorch/trainer/trainer.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    (made,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Trainer")
    (init,) = (node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    arguments = [*init.args.args, *init.args.kwonlyargs]
    return {a.arg: _plain_types(a.annotation) for a in arguments if a.arg not in OURS}


def _plain_types(annotation: ast.expr | None) -> tuple[type, ...] | None:
    """List the plain types that an annotation joins; None where it names an alias of words."""
    match annotation:
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name) if name in TYPES:
            return (TYPES[name],)
        case ast.Name(id=name) if not name.startswith("_"):  # an object, which YAML cannot hold
            return ()
        case ast.Constant(value=None):
            return (type(None),)
        case ast.Subscript(value=ast.Name(id="Optional")):
            joined = [annotation.slice, ast.Constant(None)]
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=joined)):
            pass
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            joined = [left, right]
        case _:  # an alias of a Literal, e.g. _PRECISION_INPUT
            return None
    found: dict[type, None] = {}
    for one in joined:
        kinds = _plain_types(one)
        if kinds is None:
            return None
        found |= dict.fromkeys(kinds)
    return tuple(found)


def one_device(trainer: Mapping[str, Any]) -> bool:
    """Tell whether `devices` says one: a number, or a list of one."""
    devices = trainer.get("devices", 1)
    return str(devices) == "1" or (isinstance(devices, list) and len(devices) == 1)
