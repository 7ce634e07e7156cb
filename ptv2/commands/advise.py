"""Advise on a config: `python -m ptv2.advise --config FILE [key=value ...]`: method, prompt length and more.

Each piece of advice comes with its reason and with what it rests on: a section of a paper, or a row of a table that
experiments/ holds. It is where to start, not a result: `ptv2.search` finds out what a task wants. No weights are read.
"""

import argparse
import json
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ptv2.commands import shell as command

if TYPE_CHECKING:
    from ptv2.commands.advice import Facts
    from ptv2.methods.lengths import Reason

Advice = tuple[str, "Reason"]  # a setting, key=value, and why


EARLIER = "prompt.init=retrieve:runs"
"""Advice that needs runs which there may not be."""


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import backbone_about, backbone_size, quiet_transformers
    from ptv2.commands.advice import Facts
    from ptv2.config.load import load_config
    from ptv2.errors import UserError
    from ptv2.model.auto import train_rows

    quiet_transformers()
    config = load_config(options.config, options.overrides, options.imports)
    tasks = [(card.kind, train_rows(config, name)) for name, card in config.tasks.items()]
    for name, (_, rows) in zip(config.tasks, tasks, strict=True):
        if rows == 0:
            raise UserError("has no training rows", where=f"tasks.{name}", do="look at its file and at data.limit")
    memory = options.memory or device_memory()
    facts = Facts(
        kinds=frozenset(kind for kind, _ in tasks),
        rows=min(rows for _, rows in tasks),
        parameters=backbone_size(config.backbone),
        memory=memory,
        deploy=options.deploy,
        decoder=backbone_about(config.backbone)[1],
    )
    chosen, settings, others = advise(facts, tasks)
    if options.json:
        lists = {"advice": [chosen, *settings], "alternatives": others}
        print(json.dumps({name: [as_json(*advice) for advice in found] for name, found in lists.items()}, indent=2))
        return
    for (name, card), (kind, rows) in zip(config.tasks.items(), tasks, strict=True):
        print(f"{name}: {card.name} ({kind}), {rows:,} training rows")
    print(f"{config.backbone.name}: {facts.parameters:,} parameters; device: {memory:.1f} GB")
    show("advice", [chosen, *settings])
    show("alternatives", others)
    changes = [setting for setting in dict.fromkeys(s for s, _ in [chosen, *settings]) if setting != EARLIER]
    changed = {change.partition("=")[0] for change in changes}
    kept = [item for item in options.overrides if item.partition("=")[0] not in changed]
    changes += set_back(options, [*kept, *changes])
    file = shlex.quote(str(options.config))
    print(f"\npython -m ptv2.fit --config {file} {shlex.join([*kept, *changes])}")
    if EARLIER in dict(settings):
        print(f"with earlier runs of the kind in runs, add {EARLIER}")
    grid = "--space optim.lr=1e-3..1e-2:log:4 --space prompt.length=4,8,16,32,64,128 --sampler grid"
    print(f"python -m ptv2.search --config {file} {grid}   (what the authors advise for a new task)")


def advise(facts: "Facts", tasks: list[tuple[str, int]]) -> tuple[Advice, list[Advice], list[Advice]]:
    """Return the method that is advised, the settings beside it, and the methods that are alternatives.

    Args:
        facts: of the config and the device.
        tasks: kind and number of training rows of each.
    """
    from ptv2.commands.advice import METHODS_ADVISED, OTHERS
    from ptv2.methods import METHODS
    from ptv2.methods.lengths import longest

    found: dict[str, Reason] = {}
    for rule in METHODS_ADVISED:
        if rule.setting.partition("=")[2] in METHODS and rule.when(facts):
            found.setdefault(rule.setting, rule.reason)
    chosen, *others = found.items()
    prompted = METHODS[chosen[0].partition("=")[2]].has_prompts
    settings: list[Advice] = []
    if prompted and not facts.values_and_slots:  # that form has a length of its own
        length, reasons = longest(tasks, facts.parameters)
        settings += [(f"prompt.length={length}", reason) for reason in reasons]
    for rule in OTHERS:
        if rule.when(facts) and (prompted or not rule.setting.startswith("prompt.")):
            settings.append((rule.setting, rule.reason))
    return chosen, settings, others


def set_back(options: argparse.Namespace, overrides: list[str]) -> list[str]:
    """Return overrides that set back settings of the config which the advised method refuses.

    Args:
        options: of the command.
        overrides: those of the advice among them.
    """
    from ptv2.config.load import load_config
    from ptv2.config.methods import PromptConfig, PTuningConfig
    from ptv2.errors import UserError
    from ptv2.methods import method_of

    groups, made = {"prompt": PromptConfig(), "ptuning": PTuningConfig()}, dict[str, str]()
    while True:
        try:
            method_of(load_config(options.config, [*overrides, *made.values()], options.imports))
        except UserError as error:
            key = str(error).partition(":")[0]
            group, _, name = key.partition(".")
            if key not in made and hasattr(groups.get(group), name):
                usual = getattr(groups[group], name)
                made[key] = f"{key}={usual if isinstance(usual, str) else json.dumps(usual)}"
                continue
        return list(made.values())


def device_memory() -> float:
    """Return the memory of the first GPU in GB, or of the machine where there is none."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / 1e9
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def show(title: str, found: list[Advice]) -> None:
    print(f"\n{title}")
    for setting, reason in found:
        row = f": | {reason.row} |" if reason.row else ""
        print(f"  {setting}\n    {reason.why}\n    [{reason.source}{row}]")


def as_json(setting: str, reason: "Reason") -> dict[str, str]:
    return {"setting": setting, **asdict(reason)}


def gigabytes(text: str) -> float:
    """Parse a size of memory."""
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of GB above 0")
    return size


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.advise", __doc__, imports=True)
    made.add_argument("--config", required=True, type=Path, help="YAML file of a run")
    made.add_argument("--memory", type=gigabytes, metavar="GB", help="of the device (that of this machine)")
    made.add_argument(
        "--deploy",
        choices=("any", "tasks", "weights"),
        default="any",
        help="tasks: one model answers many tasks; weights: plain weights for other engines (any)",
    )
    made.add_argument("--json", action="store_true", help="print JSON instead of text")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
