"""Predict: `python -m ptv2.predict --artifact DIR --input FILE|-`, JSON lines in, JSON lines out.

Each input line holds the fields that the task's card reads; each output line holds the prediction under the card's
label field, with scores where the kind has them. Lines may be of several tasks, of one artifact or of several
(`--artifact A --artifact B`): the field `task` then says of which, and rows of all tasks share batches.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset

from ptv2.artifact.files import read_artifact
from ptv2.backbone import quiet_transformers
from ptv2.commands import shell as command
from ptv2.data.datamodule import TaskDataModule
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.model.collect import collect
from ptv2.model.load import artifact_config, artifact_tasks, load_artifact_backbone, load_module, merged
from ptv2.model.predictions import NAMES, prediction_lines
from ptv2.rows.rows import Rows

INPUT = "input"  # the split that a user's rows are


TASK = "task"  # the field that says which task a row is of


def main(options: argparse.Namespace) -> None:
    quiet_transformers()
    artifact = merged([read_artifact(path) for path in options.artifact])
    config = artifact_config(artifact, options.overrides)
    backbone = load_artifact_backbone(artifact, config)
    tasks = artifact_tasks(artifact, config, backbone)
    lines = read_lines(options.input)
    if options.task is None and (len(tasks) > 1 or marked(lines, tasks)):
        routed = route(lines, list(tasks))
    else:
        routed = {choose_task(list(tasks), options.task, str(artifact.path)): lines}
    for name, own in routed.items():
        tasks[name].rows[INPUT] = rows_of(own, tasks[name].features.fields())
    module = load_module(artifact, config, backbone, tasks)
    data, found = TaskDataModule(tasks, config), {}
    for reads in dict.fromkeys(module.heads[name].reads for name in routed):  # they read different things of a pass
        names = [name for name in routed if module.heads[name].reads == reads]
        found |= collect(module, data.joint_dataloader(names, INPUT), options.device)
    module.outputs.update(found)
    printed = {}
    for name, own in routed.items():
        mark = {TASK: name} if len(tasks) > 1 and options.task is None else {}
        printed |= dict(zip(own.numbers, prediction_lines(module, name, INPUT, mark), strict=True))
    for number in sorted(printed):
        print(printed[number])


def choose_task(names: list[str], wanted: str | None, where: str) -> str:
    """The task to use among an artifact's.

    Raises:
        UserError: unclear, or not there.
    """
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        what = f"holds no task '{wanted}'" if wanted else "holds several tasks, name one"
        raise UserError(what, where=where, do=nearest(wanted or "", names))
    return wanted


@dataclass(frozen=True)
class Lines:
    """Rows of the input and where each of them stands."""

    name: str
    numbers: list[int]
    rows: list[dict[str, Any]]

    def where(self, row: int) -> str:
        return f"{self.name}:{self.numbers[row]}"


def read_lines(source: str) -> Lines:
    """The objects of a JSON lines file, or of standard input (`-`).

    Raises:
        UserError: no such file, or a line that is no JSON object.
    """
    if source != "-" and not Path(source).is_file():
        raise UserError("no such file", where=source)
    name = "standard input" if source == "-" else source
    try:
        text = (sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where=name, do="save it as UTF-8") from error
    lines = Lines(name, [], [])
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"not JSON ({error})", where=f"{name}:{number}") from error
        if not isinstance(row, dict):
            raise UserError("a line must be a JSON object", where=f"{name}:{number}")
        lines.rows.append(row)
        lines.numbers.append(number)
    if not lines.rows:
        raise UserError("holds no rows", where=name)
    return lines


def marked(lines: Lines, tasks: dict[str, TaskData]) -> bool:
    """Whether rows say which task they are of, in a field that no task reads as an input."""
    read = set().union(*(data.features.fields() for data in tasks.values()))
    return TASK not in read and any(row.get(TASK) is not None for row in lines.rows)


def route(lines: Lines, tasks: list[str]) -> dict[str, Lines]:
    """The lines of each task, by the rows' `task` field.

    Raises:
        UserError: a row without it, or of a task that no artifact has.
    """
    routed: dict[str, Lines] = {}
    for i, row in enumerate(lines.rows):
        name = row.get(TASK)
        if name is None and len(tasks) == 1:
            name = tasks[0]
        if name is None:
            do = f"add it ({', '.join(tasks)}), or give --task"
            raise UserError(f"no field '{TASK}', and there are several tasks", where=lines.where(i), do=do)
        if name not in tasks:
            raise UserError(f"unknown task '{name}'", where=lines.where(i), do=nearest(str(name), tasks))
        own = routed.setdefault(name, Lines(lines.name, [], []))
        own.rows.append(row)
        own.numbers.append(lines.numbers[i])
    return routed


def rows_of(lines: Lines, fields: set[str]) -> Rows:
    """The lines as rows of a task with the fields that it uses.

    Raises:
        UserError: a field is missing, or its values differ in type.
    """
    for i, row in enumerate(lines.rows):
        if missing := sorted(fields - set(row)):
            raise UserError(f"field '{missing[0]}' is missing, only {', '.join(row)}", where=lines.where(i))
    columns = {field: [row.get(field) for row in lines.rows] for field in [*sorted(fields), *NAMES]}
    try:
        data = Dataset.from_dict(columns)
    except (pa.ArrowException, OverflowError) as error:
        raise UserError(f"rows differ in type ({error})", where=lines.name, do="use one type per field") from error
    content = hashlib.sha256(json.dumps(columns).encode()).hexdigest()
    return Rows(data, INPUT, content, lines)


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.predict", __doc__.splitlines()[0])
    made.add_argument(
        "--artifact",
        required=True,
        action="append",
        metavar="DIR",
        help="a run folder, or its prompt/ folder; may be repeated",
    )
    made.add_argument("--input", required=True, help="JSON lines file, or - for standard input")
    made.add_argument("--task", help="the task of all rows, instead of their field `task`")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the artifact's config")
    return made
