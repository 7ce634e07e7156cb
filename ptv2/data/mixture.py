"""The mixture: which task each batch is drawn from, and which of its rows.

The draw is a pure function of seed and position: the same on every rank, the same after a resume, and any position is
reached without drawing those before it. An epoch is a number of steps, `mixture.steps_per_epoch`. How often each task
comes in an epoch follows its share to within one batch (systematic sampling); only the order is random. A task's own
batches continue from epoch to epoch, so all of its rows are used before one comes again.

A single task is a mixture of one: its epoch is one pass over its rows. Where batches are filled up to a number of
tokens, it has as many batches as the first pass, and a later pass may end one batch before or after it.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from ptv2.config.schema import DataConfig, MixtureConfig
from ptv2.data.batches import BatchStream
from ptv2.errors import UserError, nearest

Draw = list[tuple[int, int]]  # a batch: (task's number, row) of each of its rows


class MixtureBatches(Sampler[Draw]):
    """Batch sampler over several tasks; each iteration is the next epoch.

    Args:
        lengths: tokens of each training row, by task.
        data: batch size or token budget, length grouping.
        config: shares, mixing, epoch.
        seed: of all draws.
        epochs: of the run; `annealed` moves over them.
        start: the first batch to yield, counted from the run's first: a resumed run continues with the next one.

    Raises:
        UserError: a mixture that cannot be drawn, see `shares` and `mixture.dry`.
    """

    def __init__(
        self,
        lengths: Mapping[str, Sequence[int] | np.ndarray],
        data: DataConfig,
        config: MixtureConfig,
        seed: int,
        epochs: int = 1,
        start: int = 0,
    ):
        self.config, self.seed, self.epochs, self.start = config, seed, epochs, start
        self.sizes = {name: len(rows) for name, rows in lengths.items()}
        shares(self.sizes, config)  # refuses what cannot be drawn before anything is
        mixed = config.batches == "mixed"
        if mixed and data.tokens_per_batch:
            what = "fills batches of one task, and mixture.batches is mixed"
            raise UserError(what, where="data.tokens_per_batch", do="use mixture.batches=single, or data.batch_size")
        self.draws = data.batch_size if mixed else 1  # of tasks, that make one batch
        size, tokens = (1, None) if mixed else (data.batch_size, data.tokens_per_batch)
        group = data.group_by_length and not mixed
        self.streams = [BatchStream(rows, size, own_seed(seed, n), group, tokens) for n, rows in lengths.items()]
        self.steps = self._steps()
        self._counted = [torch.zeros(len(self.streams), dtype=torch.long)]  # draws of each task before epoch 0, 1, ...

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Draw]:
        epoch, first = divmod(self.start, self.steps)
        self.start = (epoch + 1) * self.steps
        tasks = self.tasks(epoch)
        drawn = self._before(epoch) + torch.bincount(tasks[: first * self.draws], minlength=len(self.streams))
        for step in range(first, self.steps):
            batch: Draw = []
            for task in tasks[step * self.draws : (step + 1) * self.draws].tolist():
                batch += [(task, row) for row in self.streams[task][int(drawn[task])]]
                drawn[task] += 1
            yield sorted(batch, key=lambda drawn: drawn[0]) if self.draws > 1 else batch

    def tasks(self, epoch: int) -> Tensor:
        """Draw the tasks of an epoch, [steps * draws]."""
        generator = torch.Generator().manual_seed((own_seed(self.seed, "mixture") << 20) + epoch)
        count, offset = self.steps * self.draws, torch.rand(1, generator=generator, dtype=torch.float64)
        points = (torch.arange(count, dtype=torch.float64) + offset) / count
        ends = torch.tensor(self.shares(epoch), dtype=torch.float64).cumsum(0)
        tasks = torch.searchsorted(ends, points, right=True).clamp(max=len(self.streams) - 1)
        return tasks[torch.randperm(count, generator=generator)]

    def shares(self, epoch: int) -> list[float]:
        """Return the share of each task in an epoch's draws."""
        progress = min(1.0, epoch / (self.epochs - 1)) if self.epochs > 1 else 0.0
        return shares(self.sizes, self.config, progress)

    def _before(self, epoch: int) -> Tensor:
        """Count how often each task was drawn before an epoch."""
        if self.config.dry == "stop":  # every epoch begins every task from its first batch
            return torch.tensor([stream.begin(epoch) for stream in self.streams])
        while len(self._counted) <= epoch:
            last = self.tasks(len(self._counted) - 1)
            self._counted.append(self._counted[-1] + torch.bincount(last, minlength=len(self.streams)))
        return self._counted[epoch].clone()

    def _steps(self) -> int:
        """Count the steps of an epoch: as asked, one pass over as many rows as there are, or until a task runs dry."""
        asked = self.config.steps_per_epoch
        if self.config.dry == "cycle":
            return asked or math.ceil(sum(stream.per_epoch() for stream in self.streams) / self.draws)
        most, name = min(
            ((stream.begin(epoch + 1) - stream.begin(epoch)) / share / self.draws, name)
            for epoch in range(self.epochs)
            for stream, share, name in zip(self.streams, self.shares(epoch), self.sizes, strict=True)
        )
        steps = math.floor(most + 1e-9)  # shares are rounded
        if steps < max(asked or 0, 1):
            what = f"task '{name}' runs dry after {steps} of {asked or 1} steps"
            raise UserError(what, where="mixture.dry", do="use cycle, fewer steps_per_epoch, or a smaller share of it")
        return asked or steps


def shares(sizes: dict[str, int], config: MixtureConfig, progress: float = 0.0) -> list[float]:
    """Compute the share of each task from its number of rows n; the shares sum to 1.

    proportional: n. capped:K: min(n, K). temperature:T[:K]: min(n, K)^(1/T) (Raffel et al. 2020, section 3.5.2).
    sqrt: n^(1/2). equal: 1. weights: as `mixture.weights` says. annealed: n^a, where a falls from 1 in the first epoch
    to 0.2 in the last (Stickland and Murray 2019, section 4.2); `progress` is 0 in the first and 1 in the last.

    Raises:
        UserError: unknown sampling, or weights that do not fit the tasks.
    """
    rule = config.rule
    if rule.kind == "weights" or config.weights:
        weights = _weights(sizes, config)
    elif rule.kind == "equal":
        weights = [1.0 for _ in sizes]
    else:
        powers = {"temperature": 1 / rule.temperature, "sqrt": 0.5, "annealed": 1 - 0.8 * progress}
        weights = [min(n, rule.cap) ** powers.get(rule.kind, 1.0) for n in sizes.values()]
    return [weight / sum(weights) for weight in weights]


def _weights(sizes: dict[str, int], config: MixtureConfig) -> list[float]:
    """Return `mixture.weights` in the order of the tasks."""
    where = "mixture.weights"
    if config.sampling != "weights":
        raise UserError(f"given, but mixture.sampling is '{config.sampling}'", where=where, do="set sampling: weights")
    for name in config.weights:
        if name not in sizes:
            raise UserError(f"unknown task '{name}'", where=where, do=nearest(name, sizes))
    for name in sizes:
        if not 0 < config.weights.get(name, 0) < math.inf:
            raise UserError(f"task '{name}' has no weight above 0", where=where, do="give every task one")
    return [config.weights[name] for name in sizes]


def own_seed(seed: int, name: str) -> int:
    """Derive a seed for one part of the draw: what a task draws does not depend on the other tasks."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:5])
