"""A task card beside an artifact: which of its heads answers it, and whether that one can."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ptv2.artifact.artifact import Artifact
from ptv2.config.cards import TaskCard
from ptv2.config.load import make_config, to_plain
from ptv2.config.schema import Config
from ptv2.errors import UserError, nearest
from ptv2.rows.files import format_of


def card_to_score(
    artifact: Artifact,
    card: str | None,
    task: str | None,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    rows: Path | None = None,
    split: str = "test",
) -> tuple[str, Config]:
    """Choose the artifact's task that answers a card; return its name and the config with that card alone.

    Texts are cut at the length they had in training, unless an override says another.

    Args:
        artifact: as read.
        card: name or file; None: that of the task.
        task: which of the artifact's tasks answers; None: the one that was trained on the card, or the only one.
        overrides: `key=value`.
        imports: the Python files that the artifact needs, in their present places.
        rows: a file or a folder with the rows of the split, instead of the card's own.
        split: that is scored.

    Raises:
        UserError: an unknown card or key, or a card that the artifact cannot answer.
    """
    own: str | Mapping[str, Any]
    own = artifact.tasks[choose_task(list(artifact.tasks), task, str(artifact.path))] if card is None else card
    config = card_config(artifact, own, overrides, imports)
    if rows is not None:
        own = with_rows(to_plain(config)["tasks"][next(iter(config.tasks))], rows, split)
        config = card_config(artifact, own, overrides, imports)
    (chosen,) = config.tasks.values()
    name = choose_task(list(artifact.tasks), task or task_for(artifact, chosen), str(artifact.path))
    check_same(artifact, name, chosen)
    if not any(item.startswith("task.max_length=") for item in overrides):
        chosen.max_length = artifact.tasks[name]["max_length"]
    return name, config


def card_config(
    artifact: Artifact,
    card: str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
) -> Config:
    """Make the artifact's config with a card instead of its tasks; all rows are taken unless `data.limit` is given.

    Args:
        artifact: as read.
        card: name or file, or what a file would hold.
        overrides: `key=value`.
        imports: the Python files that the artifact needs, in their present places.

    Raises:
        UserError: an unknown card or key, or a value that it cannot have.
    """
    values = json.loads(json.dumps(artifact.config))
    values.pop("tasks")
    values["task"] = card if isinstance(card, str) else dict(card)
    values["import"] = list(imports)
    values["data"] = {key: value for key, value in values["data"].items() if key != "limit"}
    return make_config(values, list(overrides), where="command line")


def with_rows(card: Mapping[str, Any], rows: Path, split: str) -> dict[str, Any]:
    """Return a card that reads a split from a file, whose ending says its format, or from a folder."""
    files = {"data_files": {} if rows.is_dir() else {split: str(rows)}, "splits": {}, "name": None, "revision": None}
    path = str(rows.absolute()) if rows.is_dir() else format_of(rows.name) or "json"
    return {**card, "dataset": {**card["dataset"], **files, "path": path}}


def choose_task(names: Sequence[str], wanted: str | None, where: str) -> str:
    """Choose the task to use among an artifact's.

    Raises:
        UserError: there are several and none is named, or it is not there.
    """
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None or wanted not in names:
        what = f"holds no task '{wanted}'" if wanted else "holds several tasks, name one"
        raise UserError(what, where=where, do=nearest(wanted or "", names))
    return wanted


def task_for(artifact: Artifact, card: TaskCard) -> str | None:
    """Find the artifact's task that was trained on this card; None leaves the choice to the number of tasks."""
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
