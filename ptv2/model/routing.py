"""Which task each row is of, where one call answers rows of several, and which rows can be used."""

from typing import Any

from ptv2.data.bad_rows import bad_rows
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.model.cards import choose_task
from ptv2.model.predictions import Record, begin
from ptv2.rows.asked import Asked
from ptv2.rows.columns import add_tags, refuse_unfit, rows_of
from ptv2.rows.rows import Rows

TASK = "task"  # the field that says which task a row is of


def routed_by_task(asked: Asked, data: dict[str, TaskData], task: str | None, where: str) -> dict[str, list[int]]:
    """Sort the numbers of the rows by task: by their field `task`, or all of them to the one that is named.

    A row without that field, or of a task that does not exist, is marked as bad.

    Args:
        asked: the rows.
        data: of each task.
        task: of all rows.
        where: the artifact, for messages.

    Raises:
        UserError: the named task is not there.
    """
    tasks, numbers = list(data), [i for i in range(len(asked.rows)) if i not in asked.bad]
    if task is not None or (len(tasks) == 1 and not _marked(asked, data)):
        return {choose_task(tasks, task, where): numbers}
    routed: dict[str, list[int]] = {}
    for i in numbers:
        name = asked.rows[i].get(TASK)
        if name is None and len(tasks) == 1:
            name = tasks[0]
        if name in tasks:
            routed.setdefault(name, []).append(i)
        elif name is None:
            do = f"add it: {', '.join(tasks)} (`task` or --task names one for all rows)"
            what = f"no field '{TASK}', and there are several tasks"
            asked.refuse(i, UserError(what, where=asked.places[i], do=do))
        else:
            do = f"{nearest(str(name), tasks)} (`task` or --task names one for all rows)"
            asked.refuse(i, UserError(f"unknown task '{name}'", where=asked.places[i], do=do))
    return routed


def _marked(asked: Asked, data: dict[str, TaskData]) -> bool:
    """Tell whether rows say which task they are of, in a field that no task reads as an input."""
    read = {field.partition(".")[0] for own in data.values() for field in own.features.fields()}
    return TASK not in read and any(row.get(TASK) is not None for row in asked.rows)


def usable_rows(
    asked: Asked, data: dict[str, TaskData], task: str | None, skip: bool, where: str, split: str
) -> dict[str, tuple[list[int], Rows]]:
    """Sort the rows by task, and make of those that can be used a split of each task: their numbers, and they.

    Args:
        asked: the rows.
        data: of each task.
        task: of all rows, instead of their field `task`.
        skip: mark rows that cannot be used, instead of refusing them.
        where: the artifact, for messages.
        split: that the rows are called.

    Raises:
        UserError: a row that cannot be used, unless they are skipped; an unknown task.
    """
    routed = routed_by_task(asked, data, task, where)
    for name, numbers in routed.items():
        add_tags(asked, numbers, data[name].card)
        refuse_unfit(asked, numbers, data[name].features.fields())
    if not skip:
        asked.check()
    usable: dict[str, tuple[list[int], Rows]] = {}
    for name, routed_numbers in routed.items():
        features, numbers = data[name].features, [i for i in routed_numbers if i not in asked.bad]
        rows = rows_of(asked, numbers, features.fields(), split)
        if skip and (bad := bad_rows(features, rows, labelled=False)):
            for i, reason in bad.items():
                asked.refuse(numbers[i], UserError(reason))
            numbers = [number for i, number in enumerate(numbers) if i not in bad]
            rows = rows_of(asked, numbers, features.fields(), split)
        usable[name] = (numbers, rows)
    if not skip:
        asked.check()
    return usable


def beginnings(asked: Asked, numbers: list[int], task: str | None) -> tuple[list[Record], list[dict[str, Any]]]:
    """Return what the records of these rows begin with, their `task` among it if given, and the rows as they came."""
    sources, mark = [asked.rows[i] for i in numbers], {} if task is None else {TASK: task}
    return [begin(asked.first + i, row) | mark for i, row in zip(numbers, sources, strict=True)], sources
