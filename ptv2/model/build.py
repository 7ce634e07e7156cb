"""From a config to the parts of a run: data, backbone, module."""

from dataclasses import dataclass

import lightning as L
from torch import nn

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact
from ptv2.backbone import load_backbone
from ptv2.config.schema import Config
from ptv2.data.datamodule import TaskDataModule
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds import reads_of
from ptv2.kinds.check import check_card
from ptv2.methods import check_start, method_of
from ptv2.model.auto import resolved
from ptv2.model.class_weights import check_label_loss, weigh_labels
from ptv2.model.module import PromptModule


@dataclass
class Parts:
    """What a run is made of."""

    data: TaskDataModule
    module: PromptModule

    @property
    def tasks(self) -> dict[str, TaskData]:
        return self.data.tasks


def build(config: Config) -> Parts:
    """Build data and module as the config says; rows are read, checked and tokenised.

    Raises:
        UserError: anything that the config or the data gets wrong.
    """
    L.seed_everything(config.seed, workers=True, verbose=False)
    for name, card in config.tasks.items():
        if hasattr(nn.ModuleDict(), name):  # it holds the tasks' heads as attributes
            raise UserError(f"'{name}' cannot be a task's name here", where=f"tasks.{name}", do="choose another name")
        check_card(card)
    config = resolved(config)
    check_label_loss(config)
    method_of(config)  # refuses what it cannot run before anything is loaded
    artifacts = named_artifacts(config)
    check_start(config, artifacts)
    backbone = load_backbone(config.backbone, reads_of(config.tasks.values()), casts=True)
    tasks = {
        name: TaskData(
            card,
            backbone.tokenizer,
            config.data.limit,
            config.seed,
            config.data.seed,
            decoder_only=not backbone.is_encoder_decoder,
        )
        for name, card in config.tasks.items()
    }
    for name, data in tasks.items():
        data.check_trains(f"tasks.{name}.dataset")
        if len(tasks) > 1 and "validation" not in data.rows:
            what = "has no validation rows: the mean score of the tasks, which chooses the checkpoint, would lack it"
            raise UserError(what, where=f"tasks.{name}.dataset", do="name a validation split or file")
        for split in data.rows:
            data.encoded(split)
            data.references(split)  # a label that only this split has is found before training
    L.seed_everything(config.seed, workers=True, verbose=False)  # the start does not depend on what was read before
    module = PromptModule(config, backbone, tasks, artifacts).train()
    weigh_labels(config, module.heads, tasks)
    data = TaskDataModule(tasks, config)
    for notice in data.notices():
        print(notice, flush=True)
    return Parts(data, module)


def named_artifacts(config: Config) -> dict[str, Artifact]:
    """Read the artifacts that `prompt.init` and `head.init` name, by path, each once.

    Raises:
        UserError: one cannot be read.
    """
    paths = dict.fromkeys(start.path for start in (config.prompt.start, config.head.start) if start is not None)
    return {path: read_artifact(path) for path in paths if path is not None}
