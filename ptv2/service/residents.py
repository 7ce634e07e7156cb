"""The artifacts that a server holds: their weights mapped, joined to the shared backbone when they are first used."""

import copy
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone
from ptv2.config.cards import TaskCard, make_card
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.kinds.texts import PooledHead
from ptv2.methods import method_named
from ptv2.methods.base import Method
from ptv2.methods.head import HeadOnly
from ptv2.methods.union import Union
from ptv2.methods.vectors import VectorMethod
from ptv2.model.kept import in_module
from ptv2.model.load import (
    artifact_config,
    artifact_tasks,
    check_one_backbone,
    load_artifact_backbone,
    load_module,
)
from ptv2.model.prompted import PromptedModel

OF_TRAINING = ("tasks", "run", "seed", "optim", "trainer", "data")
DRAWN = "backbone."  # what an artifact holds of its backbone: weights that its checkpoint lacks, drawn by the run


@dataclass(eq=False)
class Joined:
    """An artifact joined to the backbone that it shares with others."""

    name: str
    version: str
    module: PromptedModel
    data: dict[str, TaskData]
    shift: int  # position of the first real token
    mixes: bool  # whether its rows can share a pass with those of other artifacts
    phi: str  # of its memory, which all rows of a pass share
    drawn: dict[str, Tensor]
    drawn_digest: str
    reads_drawn: bool


@dataclass
class Resident:
    """An artifact that is loaded."""

    name: str
    version: str
    artifact: Artifact
    since: float = field(default_factory=time.time)

    def about(self) -> dict[str, Any]:
        """Say what it is, for a list."""
        cards = self.artifact.tasks.items()
        tasks = {task: {"kind": card["kind"], "labels": self.artifact.about["labels"][task]} for task, card in cards}
        method = self.artifact.about["method"]
        return {"name": self.name, "version": self.version, "method": method, "tasks": tasks, "loaded": self.since}


class Residents:
    """Joins artifacts to one backbone; used by one thread, which also runs the backbone.

    Args:
        first: gives the backbone.
        overrides: of keys in every artifact's config, as `key=value`.
        imports: Python files that they need.
        device: that the backbone computes on.
        allow_other_precision: take a backbone saved in another precision.
        hot: number of artifacts that stay joined.
    """

    def __init__(
        self,
        first: Artifact,
        overrides: Sequence[str] = (),
        imports: Sequence[str] = (),
        device: str = "cpu",
        allow_other_precision: bool = False,
        hot: int = 1000,
    ):
        check_serves(first)
        self.first, self.overrides, self.imports, self.hot = first, list(overrides), imports, hot
        self.allow_other_precision = allow_other_precision
        self._configs: dict[str, Config] = {}  # by all that matters to answers but the tasks
        self.config = self._config(first)
        self.backbone: Backbone = load_artifact_backbone(first, self.config, allow_other_precision).to(device)
        # A tokenizer is used by one thread at a time: rows are read with this one, under the lock, texts are written
        # with the backbone's own.
        self.tokenizer = copy.deepcopy(self.backbone.tokenizer)
        self.tokenizing = threading.Lock()
        self.joined: OrderedDict[tuple[str, str], Joined] = OrderedDict()
        self.in_force = ""  # digest of the drawn weights that the backbone has now

    def check(self, artifact: Artifact) -> None:
        """Refuse an artifact that cannot share the backbone, by its description alone.

        Raises:
            UserError: another backbone, or a method that changes it.
        """
        check_serves(artifact)
        try:
            check_one_backbone(self.first, artifact)
        except UserError:
            artifact.check_backbone(self.backbone, self.allow_other_precision)

    def join(self, resident: Resident) -> Joined:
        """Return an artifact joined to the backbone.

        Raises:
            UserError: it does not fit.
        """
        key = (resident.name, resident.version)
        if key in self.joined:
            self.joined.move_to_end(key)
            return self.joined[key]
        with self.tokenizing:
            self.joined[key] = made = self._join(resident)
        while len(self.joined) > self.hot:
            self.joined.popitem(last=False)
        return made

    def forget(self, resident: Resident) -> None:
        """Drop what was joined of an artifact; rows that were taken keep theirs."""
        self.joined.pop((resident.name, resident.version), None)

    def put_drawn(self, joined: Joined) -> None:
        """Give the backbone the weights that an artifact's run drew, if its own are others."""
        if joined.drawn_digest != self.in_force:
            state = self.backbone.state_dict()
            for name, tensor in joined.drawn.items():
                state[name.removeprefix(DRAWN)].copy_(tensor)
            self.in_force = joined.drawn_digest

    def _config(self, artifact: Artifact) -> Config:
        """Make an artifact's config; artifacts that differ in task and training alone share the work, which is slow."""
        if any(item.startswith("task") for item in self.overrides):
            return artifact_config(artifact, list(self.overrides), self.imports)
        key = json.dumps({name: part for name, part in artifact.config.items() if name not in OF_TRAINING})
        if key not in self._configs:
            self._configs[key] = artifact_config(artifact, list(self.overrides), self.imports)
            return self._configs[key]
        cards = {name: _card(json.dumps(card)) for name, card in artifact.tasks.items()}
        return replace(self._configs[key], tasks=cards)

    def _join(self, resident: Resident) -> Joined:
        artifact, backbone = resident.artifact, self.backbone
        config = self._config(artifact)
        for key in ("dtype", "quantize"):
            ours, theirs = getattr(self.config.backbone, key), getattr(config.backbone, key)
            if ours != theirs:
                what = f"has backbone.{key} '{theirs}', the server's backbone has '{ours}'"
                raise UserError(what, where=artifact.path, do="serve it apart, or override the key for all")
        data = artifact_tasks(artifact, config, backbone, self.tokenizer)
        backbone.position_shift = 0
        drawn = {name: tensor for name, tensor in artifact.weights.items() if name.startswith(DRAWN)}
        digest = _digest(drawn)
        module = load_module(artifact, config, backbone, data)  # its drawn weights are the backbone's now
        self.in_force = digest
        _keep_mapped(module, artifact)
        for part in (module.method, module.heads):
            part.requires_grad_(False).to(backbone.device)
        return Joined(
            resident.name,
            resident.version,
            module,
            data,
            backbone.position_shift,
            mixes=not module.method(1, 0).inputs and module.method.copies == 1,
            phi=config.prompt.memory.phi if "memory" in config.prompt.forms else "",
            drawn=drawn,
            drawn_digest=digest,
            reads_drawn=_reads_drawn(drawn, module),
        )


@lru_cache(1000)
def _card(text: str) -> TaskCard:
    return make_card(json.loads(text))


def check_serves(artifact: Artifact) -> None:
    """Refuse an artifact whose method changes the backbone that others share.

    Raises:
        UserError: names the method.
    """
    kind = method_named(artifact.about["method"], artifact.path)
    parts: list[type[Method]] = list(kind.methods.values()) if issubclass(kind, Union) else [kind]
    if any(not issubclass(part, (VectorMethod, HeadOnly)) or part.tunes_backbone(artifact.config) for part in parts):
        what = f"holds method '{artifact.about['method']}', which changes the backbone that all artifacts share"
        raise UserError(what, where=artifact.path, do="use python -m ptv2.predict, or export it")


def _reads_drawn(drawn: dict[str, Tensor], module: PromptedModel) -> bool:
    """Tell whether the answers depend on the weights that were drawn: all but a pooler that no head reads."""
    pools = any(isinstance(head, PooledHead) and head.pooling.kind == "pooler" for head in module.heads.values())
    return pools or any(".pooler." not in name for name in drawn)


def _keep_mapped(module: PromptedModel, artifact: Artifact) -> None:
    """Let the module's tensors be those that are mapped from the artifact's file, not copies of them."""
    own = module.state_dict(keep_vars=True)
    for name, tensor in artifact.weights.items():
        if not name.startswith(DRAWN) and own[in_module(name)].dtype == tensor.dtype:
            own[in_module(name)].data = tensor


def _digest(tensors: dict[str, Tensor]) -> str:
    made = hashlib.sha256(json.dumps(sorted(tensors)).encode())
    for name in sorted(tensors):
        made.update(tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return made.hexdigest() if tensors else ""
