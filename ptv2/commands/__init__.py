"""What is typed and printed: one file a command, and what all of them share."""

import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "init": "look at a file of rows: propose a card and a config",
    "fit": "train: one config, one run folder",
    "evaluate": "score an artifact on a task card",
    "predict": "answer rows with an artifact",
    "convert": "make an artifact of what PEFT or the official P-Tuning v2 trained",
    "export": "write an artifact for another program: PEFT, plain transformers, ONNX, keys and values",
    "serve": "answer rows over HTTP: many artifacts on one backbone",
    "compare": "methods x tasks x seeds in one table, or a table of finished runs",
    "report": "runs or a study as one HTML file: scores, curves, mistakes, what differs",
    "advise": "which method and prompt length suit a config, and why",
    "search": "search hyperparameters: many runs of one config",
    "similarity": "how alike prompts are, and which suit a new task",
    "prepare": "fetch and tokenise what a run needs, for machines without a network",
    "slurm": "submit runs to SLURM",
    "tasks": "list, show and check task cards",
}
"""Name -> what it does, in one line."""


def run(name: str, argv: Sequence[str] | None = None) -> None:
    """Run the command `name` with these arguments, or those of the process."""
    from ptv2.commands import shell

    command = import_module(f"ptv2.commands.{name}")
    shell.run(command.main, command.command_line(), argv)


def door(module: str) -> None:
    """Run the command of the module that `python -m ptv2.NAME` started.

    Raises:
        ImportError: the module is imported, which would hide the function of its name in `ptv2`.
    """
    if module == "__mp_main__":  # a process that multiprocessing started for a command imports its door
        return
    if module != "__main__":
        name = module.rpartition(".")[2]
        raise ImportError(f"{module} is a command, run it with python -m; its code is in ptv2.commands.{name}")
    spec = sys.modules["__main__"].__spec__
    assert spec is not None  # python -m sets it
    run(spec.name.rpartition(".")[2])
