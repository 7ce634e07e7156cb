"""Methods that learn prompt vectors: how tasks share them, what is kept of them, and the way back from an artifact.

Shapes: B batch, N tasks in the batch, P prompt positions, F vector width.
"""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptv2.artifact.artifact import Artifact
from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods.base import Artifacts, Method
from ptv2.methods.deep.init import initial_factors
from ptv2.methods.deep.sharing import LowRankVectors, OwnValues
from ptv2.methods.deep.vectors import DirectVectors


class VectorMethod(Method):
    """A method with prompt vectors: one matrix [P, F] or more, shared by tasks or each task's own.

    A subclass sets `lengths` and `widths`, the P and F of its matrices, makes them in `_new_vectors`, and calls `_hold`
    in its constructor. Submodules are called `rows` and `own` in the state dict: artifacts and checkpoints hold their
    tensors under these names.
    """

    has_prompts = True
    words = "the prompt"

    def __init__(self, config: Config, backbone: Backbone, artifacts: Artifacts | None = None):
        super().__init__(config, backbone, artifacts)
        self.tasks = list(config.tasks)
        self.artifacts = {path: artifact.part(config.method_name) for path, artifact in (artifacts or {}).items()}
        self.config = config.prompt
        self.lengths: list[int] = []
        self.widths: list[int] = []
        self.own = nn.ModuleDict()  # what belongs to one task alone

    def _hold(self, backbone: Backbone) -> None:
        """Make the vectors as `prompt.sharing` says."""
        prompt = self.config
        if prompt.sharing == "task":
            self.own.update({name: self._new_vectors(backbone, name) for name in self.tasks})
        else:
            self.rows = self._new_shared(backbone)
        if prompt.sharing == "shared+task":
            factors = {
                name: LowRankVectors(self.lengths, self.widths, prompt.rank, prompt.init_std) for name in self.tasks
            }
            initial_factors(factors, prompt, self.artifacts)
            self.own.update(factors)

    def _new_vectors(self, backbone: Backbone, task: str | None = None) -> nn.Module:
        """Make the module of vectors that are whole: of all tasks, or of one `task`."""
        raise NotImplementedError

    def _new_shared(self, backbone: Backbone) -> nn.Module:
        """Make the module of what tasks share."""
        return self._new_vectors(backbone)

    @classmethod
    def check(cls, config: Config) -> None:
        super().check(config)
        prompt = config.prompt
        if prompt.train != "own":
            return
        if prompt.sharing == "task" or not prompt.start.earlier:
            why = "they share nothing" if prompt.sharing == "task" else "that would be random values"
            do = "start from an artifact with prompt.init, or use prompt.train=all"
            raise UserError(f"'own' freezes what tasks share, and here {why}", where="prompt.train", do=do)

    def _freeze_shared(self) -> None:
        """Freeze what tasks share, if `prompt.train` says so."""
        if self.config.train == "own":
            for parameter in self.shared():
                parameter.requires_grad_(False)

    def misfit(self, artifact: Artifact, vectors_PF: Sequence[Tensor]) -> tuple[str, str] | None:
        """Say why an artifact's vectors cannot be the start of these, and what to do; None where they can."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Name the matrices, in their order: where each of them is read."""
        return [f"input.{i}" for i in range(len(self.lengths))] if len(self.lengths) > 1 else ["input"]

    def sets(self) -> dict[str, list[Tensor]]:
        """Return the matrices [P, F] that tasks share under "", or those of each task under its name."""
        tasks = self.tasks if self.config.sharing in ("task", "keys") else [None]
        return {task or "": self.folded(task) for task in tasks}

    def trained_sets(self) -> dict[str, list[nn.Parameter]]:
        """Return the matrices of `sets` as far as they are parameters themselves: nothing makes them of others."""
        held = {"": self.rows} if self.config.sharing in ("shared", "shared+task") else dict(self.own.items())
        return {name: list(module.rows) for name, module in held.items() if type(module) is DirectVectors}

    def shared(self) -> list[nn.Parameter]:
        return [] if self.config.sharing == "task" else list(self.rows.parameters())

    # -- what a batch sees -------------------------------------------------------------------------------------------

    def task_vectors(self, task: str) -> list[Tensor]:
        """Return the matrices [P, F] that a task's batches see."""
        if self.config.sharing == "shared":
            return self.rows()
        own = self.own[task]
        return own() if self.config.sharing == "task" else own(self.rows())

    def _present(self, task: int | Tensor) -> tuple[list[list[Tensor]], Tensor | None]:
        """Return the vectors of every task that the batch holds, and which of them each of its rows takes."""
        if self.config.sharing == "shared":
            return [self.rows()], None
        if isinstance(task, int):
            return [self.task_vectors(self.tasks[task])], None
        present, pick_B = task.unique(return_inverse=True)  # tasks that are not there get no gradient, not one of zeros
        return [self.task_vectors(self.tasks[i]) for i in present.tolist()], pick_B

    def _dropped(self, states: Tensor, rows: int) -> Tensor:
        """Drop numbers of keys, values or vectors [1 or B, ...]; with dropout per batch, all rows share a mask."""
        if not (self.training and self.config.dropout):
            return states
        if self.config.dropout_per == "example":  # as the official code: after expansion to the batch
            return F.dropout(states.expand(rows, *states.shape[1:]), self.config.dropout)
        return states * F.dropout(torch.ones_like(states[:1]), self.config.dropout)

    # -- what is kept of it ------------------------------------------------------------------------------------------

    def exported(self) -> dict[str, Tensor]:
        state = super().exported()
        shared = {"rows": self.rows} if self.config.sharing != "task" else {}
        for prefix, module in {**shared, **{f"own.{name}": own for name, own in self.own.items()}}.items():
            if type(module) not in (
                DirectVectors,
                LowRankVectors,
                OwnValues,
            ):  # what makes the vectors is not needed again
                state = {name: tensor for name, tensor in state.items() if not name.startswith(f"{prefix}.")}
                state |= {f"{prefix}.rows.{i}": vector_PF.detach().clone() for i, vector_PF in enumerate(module())}
        return state

    def folded(self, task: str | None = None) -> list[Tensor]:
        """Return the vectors of a task, or those that tasks share, with what makes them computed away."""
        vectors = self.rows() if task is None else self.task_vectors(task)
        return [vector_PF.detach().clone() for vector_PF in vectors]

    @torch.no_grad()
    def start_from(self, vectors_PF: Sequence[Tensor]) -> None:
        """Put these vectors in the place of those that tasks share, or of each task's own."""
        for module in self.own.values() if self.config.sharing == "task" else [self.rows]:
            for parameter, vector_PF in zip(cast(DirectVectors, module).rows, vectors_PF, strict=True):
                parameter.copy_(vector_PF)
