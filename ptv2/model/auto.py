"""Keys that are `auto`: what a run chooses for them, once its tasks and backbone are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from ptv2.artifact.files import read_artifact
from ptv2.backbone import backbone_about, backbone_size, load_tokenizer
from ptv2.backbone.half import chosen_dtype
from ptv2.config.auto import value_at, with_values
from ptv2.config.load import to_plain
from ptv2.config.methods import PromptConfig
from ptv2.config.names import parse_forms
from ptv2.config.schema import AUTO, Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import kind_of
from ptv2.methods import defaults, method_named, methods_named
from ptv2.methods.defaults import Choice, Run
from ptv2.model.library import first_prompt
from ptv2.rows.sources import load_rows
from ptv2.runtime.run_devices import device_count

OF_ANY_FORM = ("length", "layers", "form", "init", "init_std", "dropout", "dropout_per", "retrieve", "memory")
"""Keys of `prompt` that say nothing for or against a form."""
OF_PROMPTS = {"prompt.form", "prompt.length", "prompt.dropout"}


def resolved(config: Config, start: Mapping[str, Any] | None = None) -> Config:
    """Put values in the place of all keys that are `auto`; a config without any is returned as it is.

    Args:
        config: of the run.
        start: `prompt` of an artifact that its prompt may start from, beside what `prompt.init` says.

    Raises:
        UserError: rows, backbone or artifact cannot be read.
    """
    config = with_values(config, [(choice.key, choice.value) for choice in choices(config, start)])
    return with_dtype(config, None)[0]


def with_dtype(config: Config, dtype: str | None) -> tuple[Config, list[str]]:
    """Put a dtype in the place of `backbone.dtype: auto`: float32 where the backbone trains, else the faster one.

    Args:
        config: of the run.
        dtype: of the run that is resumed; None: there is none, or its dtype is not known.

    Returns:
        The config, and lines that say what was chosen and why.
    """
    if config.backbone.dtype != AUTO:
        return config, []
    said: list[str] = []
    if dtype is None and method_named(config.method).tunes_backbone(to_plain(config)):
        dtype = "float32"
    if dtype is None:
        dtype, why = chosen_dtype(str(config.trainer.get("accelerator", "auto")))
        said = [why]
    return replace(config, backbone=replace(config.backbone, dtype=dtype)), said


def as_before(config: Config, held: Mapping[str, Any]) -> Config:
    """Choose for the keys that are `auto` what a run that has begun chose: its config as plain values."""
    found = []
    for key in config.auto:
        try:
            found.append((key, value_at(held, key)))
        except (KeyError, TypeError):
            continue
    return with_values(config, found)


def choices(config: Config, start: Mapping[str, Any] | None = None) -> list[Choice]:
    """Choose a value for each key that is `auto`.

    A prompt that starts from an artifact has its form and length. Tasks that share a prompt get the length of the one
    that wants most. `start` is as in `resolved`.

    Raises:
        UserError: rows, backbone or artifact cannot be read.
    """
    if not config.auto:
        return []
    family, is_decoder = backbone_about(config.backbone)
    known = start or start_of(config)
    rows = {name: train_rows(config, name) for name in config.tasks}
    run = Run(
        methods=methods_named(config.method),
        tasks=[(card.kind, rows[name]) for name, card in config.tasks.items()],
        family=family,
        size=lambda: backbone_size(config.backbone),
        is_decoder=is_decoder,
        steps=lambda: steps_per_epoch(config, train_features(config, rows, is_decoder)),
        plain=known is None and _is_plain(config.prompt),
        rate_is_given="optim.lr" not in config.auto,
        forms=config.prompt.forms,
    )
    made: list[Choice] = []
    if "prompt.form" in config.auto:
        form = defaults.form(run) if known is None else Choice("prompt.form", known["form"], "that of prompt.init")
        run = replace(run, forms=parse_forms(form.value))
        made.append(form)
    if "prompt.length" in config.auto:
        made.append(
            defaults.length(run) if known is None else Choice("prompt.length", known["length"], "that of prompt.init")
        )
    others = {
        "optim.lr": defaults.rate,
        "optim.head_lr": defaults.head_rate,
        "optim.warmup": defaults.warmup,
        "head.pooling": defaults.pooling,
        "backbone.dropout": defaults.backbone_dropout,
        "prompt.dropout": defaults.prompt_dropout,
        "trainer.max_epochs": defaults.epochs,
    }
    return made + [choice for key, choose in others.items() if key in config.auto and (choice := choose(run))]


def shown(config: Config, made: Sequence[Choice]) -> list[str]:
    """Say what was chosen, and why, a line for each key that matters to the run's methods."""
    has_prompt = method_named(config.method).has_prompts
    lines = [f"  {choice}" for choice in made if has_prompt or choice.key not in OF_PROMPTS]
    return ["chosen, as the config says nothing (preset: official takes the values of the paper):", *lines]


def start_of(config: Config) -> dict[str, Any] | None:
    """Return `prompt` of the artifact that the prompt starts from, or of the first that it may be chosen from."""
    start = config.prompt.start
    if start.path is not None:
        return read_artifact(start.path).config["prompt"]
    return first_prompt(config, Path(start.folder)) if start.folder is not None else None


def train_rows(config: Config, task: str) -> int:
    """Count the rows that a task trains on.

    Raises:
        UserError: they cannot be read, or there are none.
    """
    rows = load_rows(config.tasks[task], "train")
    if rows is None:
        raise UserError("has no training rows", where=f"tasks.{task}.dataset", do="name a train split or file")
    limit = config.data.limit.get("train")
    return len(rows.data) if limit is None else min(limit, len(rows.data))


def train_features(config: Config, rows: Mapping[str, int], decoder_only: bool) -> dict[str, int]:
    """Count the features that the training rows of each task become: windows of a text, entities, references.

    Where a row may become several, the rows are tokenised for it, which the run then finds in the cache.

    Raises:
        UserError: a row cannot be used.
    """
    found = dict(rows)
    for name, card in config.tasks.items():
        if config.mixture.steps_per_epoch is None and kind_of(card).features.several:
            data = TaskData(
                card,
                load_tokenizer(config.backbone),
                config.data.limit,
                config.seed,
                config.data.seed,
                splits=("train",),
                decoder_only=decoder_only,
                notices_to=StringIO(),  # the run says them
            )
            found[name] = len(data.encoded("train"))
    return found


def _is_plain(prompt: PromptConfig) -> bool:
    """Tell whether nothing is set that only keys and values have."""
    usual = PromptConfig()
    others = [name for name in vars(usual) if name not in OF_ANY_FORM]
    return prompt.start.kind == "normal" and all(getattr(prompt, name) == getattr(usual, name) for name in others)


def steps_per_epoch(config: Config, features: Mapping[str, int]) -> int:
    """Count the optimizer steps of an epoch, from the training features of each task.

    Where batches are filled up to a number of tokens, as if all had `max_length`, as none is tokenised yet: there
    are not more steps than that.
    """
    devices, batches = device_count(config.trainer), config.mixture.steps_per_epoch
    if batches is None:
        sizes = dict.fromkeys(features, devices * config.data.batch_size)
        if budget := config.data.tokens_per_batch:
            sizes = {name: max(1, devices * budget // config.tasks[name].max_length) for name in features}
        batches = sum(math.ceil(count / sizes[name]) for name, count in features.items())
    return max(1, math.ceil(batches / config.trainer.get("accumulate_grad_batches", 1)))
