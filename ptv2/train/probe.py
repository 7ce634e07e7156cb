"""How well prompts suit a task: what its head can learn from the states that the backbone makes with each of them.

A prompt stays as it is. The head alone trains, on three quarters of some of the task's training rows, and its loss on
the last quarter, which it has not seen, says how little of the task the states tell; each quarter has its turn. The
similarity of prompt and task is the share of an untrained prompt's loss that the prompt saves: 1 at most, 0 for a
random start of whatever seed, below 0 for a prompt that hides what the task asks for.

So nothing depends on where a prompt started or which way its vectors point. Whole models are chosen for a task alike:
LEEP (Nguyen et al. 2020, arXiv:2002.12462), LogME (You et al. 2021, arXiv:2102.11005). Of a kind whose head has nothing
to train, such as generation, it is the loss of the rows as they are.
"""

import math
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ptv2.backbone import States
from ptv2.config.schema import Config
from ptv2.data.collate import collate, moved
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.methods.vectors import VectorMethod
from ptv2.model.build import build
from ptv2.rows.arrays import column
from ptv2.runtime.run_devices import rank_device
from ptv2.train.changes import drawn, plain

TOKENS = 2**13  # of the task's rows that are read, as far as FEWEST rows have no more
FEWEST = 32
FOLDS = 4
RATE = 0.003  # of the head
EVERY = 5  # steps, after which the loss on the other rows is taken; the lowest counts, so more steps do no harm
DRAWS = 3  # untrained prompts whose mean loss is the measure


class Probe:
    """Measure how well prompts suit the config's task.

    Args:
        config: of one task and a method with a prompt; `prompt.retrieve.steps` says for how many steps heads train.

    Raises:
        UserError: what `build` refuses; a loss with untrained prompts that is no number.
    """

    def __init__(self, config: Config):
        self.alone = plain(config)
        config = deepcopy(replace(config, prompt=self.alone.prompt, ptuning=self.alone.ptuning))
        config.method = self.alone.method if len(config.methods) == 1 else config.method
        config.head.init = None
        parts = build(config)
        self.module = parts.module.eval()
        self.module.to(rank_device(config.trainer))
        self.backbone, self.prompt = self.module.backbone, cast(VectorMethod, self.module.method.prompted)
        ((name, self.task),) = parts.tasks.items()
        self.head, self.steps = self.module.head(name), config.prompt.retrieve.steps
        self.start = {key: held.clone() for key, held in self.head.state_dict().items()}
        made, self.features = _batches(name, self.task, config)
        self.batches = [batch for batch in moved(made, self.backbone.device) if self.head.terms(batch)]

    def similarity(self, vectors_PF: list[Tensor]) -> float:
        """Return the share of an untrained prompt's loss that a prompt saves; NaN where its loss is no number."""
        return 1 - self.loss(vectors_PF) / self.untrained if self.untrained else 0.0

    @cached_property
    def untrained(self) -> float:
        """The mean loss of freshly drawn prompts."""
        losses = [self.loss(drawn(self.alone, self.backbone, seed)) for seed in range(DRAWS)]
        if not all(map(math.isfinite, losses)):
            raise UserError("the loss is non-finite", where="prompt.init", do="use backbone.dtype=float32")
        return sum(losses) / DRAWS

    def loss(self, vectors_PF: list[Tensor]) -> float:
        """Return the loss per term of rows that the head has not seen, at the best number of steps."""
        self.prompt.start_from(vectors_PF)
        states = [self._states(batch) for batch in self.batches]
        folds = min(FOLDS, len(states))
        total = sum(self._curve(states, range(fold, len(states), folds)) for fold in range(folds))
        return float(cast(Tensor, total).min()) / sum(map(self.head.terms, self.batches)) if folds else 0.0

    def _curve(self, states: list[list[States]], unseen: range) -> Tensor:
        """Train the head on all batches but the unseen; return the summed loss of these after every few steps."""
        self.head.load_state_dict(self.start)
        seen = [i for i in range(len(states)) if i not in unseen]
        trained = [parameter for parameter in self.head.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=RATE) if trained and seen else None
        curve = []
        for step in range(self.steps + 1):
            if step % EVERY == 0 or step == self.steps:
                with torch.no_grad():
                    costs = [self._cost(states, i) * self.head.terms(self.batches[i]) for i in unseen]
                curve.append(torch.stack(costs).sum().cpu())
            if optimizer is not None and step < self.steps:
                optimizer.zero_grad()
                self._cost(states, seen[step % len(seen)]).backward()
                optimizer.step()
        return torch.stack(curve)

    def _cost(self, states: list[list[States]], i: int) -> Tensor:
        """Compute the mean loss of a batch: the mean over the prompts of an ensemble."""
        return torch.stack([self.head.loss(self.head(one), self.batches[i]) for one in states[i]]).mean()

    @torch.no_grad()
    def _states(self, batch: dict[str, Any]) -> list[States]:
        """Return what the head reads of a batch, for each prompt of an ensemble."""
        module, reads = self.module, self.head.asks or self.head.reads
        states = self.backbone(module.inputs(batch), module.prompts(batch), reads)
        return states.split([len(batch["input_ids"])] * module.method.copies)


def _batches(name: str, task: TaskData, config: Config) -> tuple[list[dict[str, Any]], int]:
    """Draw some of the task's training features, collate them to a batch for each fold at least, and count them."""
    features = task.encoded("train")
    lengths = column(features, "length")
    order = np.random.default_rng(config.seed).permutation(len(lengths))
    count = max(FEWEST, int((lengths[order].cumsum() <= TOKENS).sum()))
    rows = order[:count].tolist()
    size = min(config.data.batch_size, math.ceil(len(rows) / FOLDS))
    read = [features.__getitems__(rows[i : i + size]) for i in range(0, len(rows), size)]
    return [collate([(name, feature) for feature in batch], {name: task}) for batch in read], len(rows)
