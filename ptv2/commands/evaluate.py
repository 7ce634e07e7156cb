"""Score an artifact: `python -m ptv2.evaluate --artifact DIR --task CARD [--split SPLIT] [key=value ...]`.

The card may be another one than the artifact was trained on, if its kind and label names are the same. Overrides
that begin with `task.` change the card, e.g. `task.dataset.path=FOLDER`; the others change the artifact's config.
"""

import argparse
import json
from pathlib import Path

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact
from ptv2.backbone import quiet_transformers
from ptv2.commands import shell as command
from ptv2.commands.predict import choose_task
from ptv2.commands.report import table
from ptv2.config.cards import TaskCard
from ptv2.config.load import make_config
from ptv2.data.datamodule import TaskDataModule
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.model.collect import collect
from ptv2.model.load import artifact_config, artifact_tasks, load_artifact_backbone, load_module


def main(options: argparse.Namespace) -> None:
    quiet_transformers()
    artifact = read_artifact(options.artifact)
    values = json.loads(json.dumps(artifact.config)) | {"task": options.task}
    values.pop("tasks")
    config = make_config(values, options.overrides, where="command line")
    card = next(iter(config.tasks.values()))
    name = options.head or task_for(artifact, card)
    choose_task(list(artifact.tasks), name, str(artifact.path))
    check_same(artifact, name, card)
    if not any(item.startswith("task.max_length=") for item in options.overrides):
        card.max_length = artifact.tasks[name]["max_length"]  # texts are cut where they were in training

    own = artifact_config(artifact, [item for item in options.overrides if not item.startswith("task.")])
    backbone = load_artifact_backbone(artifact, own)
    data = TaskData(
        card,
        backbone.tokenizer,
        config.data.limit,
        config.seed,
        artifact.labels(name),
        splits=(options.split,),
        decoder_only=not backbone.is_encoder_decoder,
    )
    tasks = artifact_tasks(artifact, own, backbone) | {name: data}
    module = load_module(artifact, own, backbone, tasks)
    loader = TaskDataModule(tasks, config).eval_dataloader(name, options.split)
    scores = data.score(options.split, collect(module, loader, options.device)[name])
    if options.json:
        print(json.dumps({"artifact": str(artifact.path), "task": card.name, "split": options.split, "scores": scores}))
    else:
        table(f"{card.name}, {options.split}", ["metric", "score"], [[k, v] for k, v in scores.items()])


def task_for(artifact: Artifact, card: TaskCard) -> str | None:
    """The artifact's task that was trained on this card; None leaves the choice to the number of tasks."""
    same = [name for name, mapping in artifact.tasks.items() if mapping["name"] == card.name]
    if same:
        return same[0] if len(same) == 1 else None
    return next(iter(artifact.tasks)) if len(artifact.tasks) == 1 else None


def check_same(artifact: Artifact, name: str, card: TaskCard) -> None:
    """Refuse a card that the artifact's head cannot answer.

    Raises:
        UserError: another kind, or other label names.
    """
    made, labels = artifact.tasks[name], artifact.labels(name)
    if made["kind"] != card.kind:
        raise UserError(
            f"was trained for kind '{made['kind']}', card '{card.name}' is of kind '{card.kind}'",
            where=artifact.path,
            do=f"use a card like {made['name']}",
        )
    if labels is not None and card.labels is not None and labels.names != list(card.labels):
        raise UserError(
            f"was trained with labels {', '.join(labels.names)}, card '{card.name}' has {', '.join(card.labels)}",
            where=artifact.path,
            do=f"use a card like {made['name']}",
        )


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.evaluate", __doc__.splitlines()[0])
    made.add_argument("--artifact", required=True, type=Path, help="a run folder, or its prompt/ folder")
    made.add_argument("--task", required=True, help="task card to score on")
    made.add_argument("--split", default="test", choices=("train", "validation", "test"))
    made.add_argument("--head", help="which of the artifact's heads, if it holds several")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key")
    return made
