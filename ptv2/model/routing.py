"""Which task each row is of, where one call answers rows of several."""

from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError, nearest
from ptv2.model.cards import choose_task
from ptv2.rows.asked import Asked

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
            do = f"add it ({', '.join(tasks)}), or give --task"
            what = f"no field '{TASK}', and there are several tasks"
            asked.refuse(i, UserError(what, where=asked.places[i], do=do))
        else:
            what = f"unknown task '{name}'"
            asked.refuse(i, UserError(what, where=asked.places[i], do=nearest(str(name), tasks)))
    return routed


def _marked(asked: Asked, data: dict[str, TaskData]) -> bool:
    """Tell whether rows say which task they are of, in a field that no task reads as an input."""
    read = set().union(*(own.features.fields() for own in data.values()))
    return TASK not in read and any(row.get(TASK) is not None for row in asked.rows)
