"""What `trainer:` in a config may say: the arguments of lightning.Trainer, less those that a run sets itself."""

import inspect
from typing import Any, Literal, get_args, get_origin

import lightning as L

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
}
"""Arguments of the Trainer that a run has no use for -> what to use instead."""


PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "32", "bf16", "16")
"""Values of `precision`: what is trained stays float32; the frozen weights have a dtype of their own."""


COUNTS = ("accumulate_grad_batches", "val_check_interval", "check_val_every_n_epoch")
"""Arguments with which Lightning divides."""


def check_trainer(values: dict[str, Any], where: str) -> None:
    """Refuse what Lightning's Trainer does not know or would misread.

    Raises:
        UserError: unknown key, or a value of another type than the Trainer's signature names.
    """
    known = {name: p for name, p in inspect.signature(L.Trainer.__init__).parameters.items() if name not in OURS}
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
        kinds = get_args(known[key].annotation) or (known[key].annotation,)
        plain = [kind for kind in kinds if kind in (int, float, str, bool, type(None))]
        plain += {get_origin(kind) for kind in kinds} & {list, dict}
        names = any(get_origin(kind) is Literal for kind in kinds)  # Lightning checks those itself
        if not names and not isinstance(value, tuple(plain)):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in plain)
            raise UserError(f"'trainer.{key}' is '{value}'", where=where, do=f"use {wanted}")
        if key in COUNTS and isinstance(value, (int, float)) and value <= 0:
            raise UserError(f"'trainer.{key}' is {value}", where=where, do="use a number above 0")
