"""`prompt.length: auto`: the number that it stands for, once tasks and backbone are known."""

from dataclasses import replace

from ptv2.artifact.files import read_artifact
from ptv2.backbone import backbone_size
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.lengths import longest
from ptv2.rows.sources import load_rows

AUTO = "auto"


def resolved(config: Config) -> Config:
    """Put a number in the place of `prompt.length: auto`; any other config is returned as it is.

    An artifact that the prompt starts from has a length, which is taken. Otherwise the rule of `ptv2.methods.lengths`
    decides: tasks that share a prompt get the length of the one that wants most.

    Raises:
        UserError: rows, backbone or artifact cannot be read.
    """
    if config.prompt.length != AUTO:
        return config
    path = config.prompt.start.path
    if path is not None:
        length = read_artifact(path).config["prompt"]["length"]
    else:
        tasks = [(card.kind, train_rows(config, name)) for name, card in config.tasks.items()]
        length, _ = longest(tasks, backbone_size(config.backbone))
    return replace(config, prompt=replace(config.prompt, length=length))


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
