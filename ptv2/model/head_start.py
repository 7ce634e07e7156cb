"""Heads that start from those of an artifact."""

from torch import nn

from ptv2.backbone import Backbone
from ptv2.config.schema import HeadConfig
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.methods import method_named
from ptv2.methods.base import Artifacts


def initial_heads(
    heads: nn.ModuleDict, config: HeadConfig, tasks: dict[str, TaskData], backbone: Backbone, artifacts: Artifacts
) -> None:
    """Load the head of the same task, or of the task that `head.init` names, `artifact:<path>[+task:<name>]`.

    Raises:
        UserError: no task of the run has a head there, or one is of another kind, shape or labels.
    """
    start = config.start
    assert start is not None and start.path is not None  # head.init names an artifact
    path, named = start.path, start.task
    artifact = artifacts[path]
    artifact.check_backbone(backbone)
    if method_named(artifact.about["method"], path).tunes_backbone(artifact.config):
        do = "start from a run with a frozen backbone, or use head.init=null"
        raise UserError("its heads read a backbone that was trained with them", where=path, do=do)
    chosen = {name: named or name for name in tasks if named or name in artifact.tasks}
    if not chosen:
        what = f"no head for {', '.join(tasks)}, only for {', '.join(artifact.tasks)}"
        raise UserError(what, where=path, do="name one, as in artifact:<path>+task:<name>")
    for name, task in chosen.items():
        if artifact.check_task(task) and artifact.tasks[task]["kind"] != tasks[name].card.kind:
            what = f"'{task}' is of kind {artifact.tasks[task]['kind']}, '{name}' of kind {tasks[name].card.kind}"
            raise UserError(what, where=path, do="choose a task of the same kind, or head.init=null")
        theirs, ours = artifact.about["labels"][task] or [], tasks[name].label_names()
        if theirs != ours:
            what = f"'{task}' has labels {', '.join(theirs)}, '{name}' has {', '.join(ours)}"
            raise UserError(
                what, where=path, do="choose a task with the same labels in the same order, or head.init=null"
            )
        if hasattr(heads[name], "pooling") and artifact.config["head"]["pooling"] != config.pooling:
            theirs = artifact.config["head"]["pooling"]
            do = f"set head.pooling={theirs}"
            raise UserError(f"its heads read pooling '{theirs}', this run's '{config.pooling}'", where=path, do=do)
        state = artifact.state(f"heads.{task}.")
        if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in heads[name].state_dict().items()}:
            raise UserError(f"the head of '{task}' has another shape", where=path, do="use head.init=null")
        heads[name].load_state_dict(state)
