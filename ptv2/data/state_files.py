"""States of a split's features on disk, in chunks that are memory-mapped, checked and made one by one.

A chunk holds features that stand together in the order of their lengths. Its file appears whole or not at all, carries
a checksum, and is made by the first process that comes for it: ranks and runs beside each other share the work, and an
interrupted one is continued. A file that is damaged is made again.

Shapes: N tokens of one feature or several, D width.
"""

import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ptv2.data.cache import only_one
from ptv2.errors import UserError

CHUNK = 2**27  # bytes of states in a chunk, or one feature

Compute = Callable[[list[int]], tuple[Tensor, list[int]]]
"""The states [N, D] of these features, in their order, and how many tokens each of them has."""


class StateFiles:
    """The states of every feature of one split.

    Args:
        folder: of its chunks; its name says what the states follow from.
        lengths: tokens of each feature, at most.
        token_bytes: bytes of one token's states.
    """

    def __init__(self, folder: Path, lengths: np.ndarray, token_bytes: int):
        self.folder = folder
        self.order = np.argsort(lengths, kind="stable")
        self.size = int(lengths.sum()) * token_bytes
        ends = np.cumsum(lengths[self.order], dtype=np.int64) * token_bytes
        cuts = np.searchsorted(ends, np.arange(CHUNK, self.size, CHUNK))
        self.bounds = np.unique(np.concatenate([[0], cuts, [len(lengths)]]))
        self._places: np.ndarray | None = None  # of each feature in the order; once all chunks are there
        self._chunks: list[tuple[Tensor, Tensor]] = []

    @property
    def missing(self) -> int:
        """Bytes that are still to be written, at most; damaged files show when they are opened."""
        count = len(self.bounds) - 1
        return self.size * sum(not self._file(chunk).is_file() for chunk in range(count)) // max(count, 1)

    def fill(self, compute: Compute, rank: int = 0, world: int = 1) -> None:
        """Make the chunks that are missing, this rank's first, and open all.

        Raises:
            UserError: a file cannot be written.
        """
        chunks = range(len(self.bounds) - 1)
        opened = {chunk: self._made(chunk, compute) for chunk in sorted(chunks, key=lambda c: (c - rank) % world)}
        self._chunks = [opened[chunk] for chunk in chunks]
        self._places = np.empty(len(self.order), dtype=np.int32)
        self._places[self.order] = np.arange(len(self.order), dtype=np.int32)

    @property
    def filled(self) -> bool:
        """Tell whether the states can be read."""
        return self._places is not None

    def __getitem__(self, feature: int) -> Tensor:
        """Return the states [N, D] of a feature: of all its texts, one after the other."""
        assert self._places is not None
        place = int(self._places[feature])
        chunk = int(np.searchsorted(self.bounds, place, side="right")) - 1
        states_ND, starts = self._chunks[chunk]
        at = place - int(self.bounds[chunk])
        return states_ND[int(starts[at]) : int(starts[at + 1])]

    def _file(self, chunk: int) -> Path:
        return self.folder / f"{chunk:05}.safetensors"

    def _made(self, chunk: int, compute: Compute) -> tuple[Tensor, Tensor]:
        """Open a chunk, made now where it is not there or damaged."""
        file, features = self._file(chunk), self.order[self.bounds[chunk] : self.bounds[chunk + 1]].tolist()
        if (found := _opened(file, len(features))) is None:
            with only_one(file):
                if (found := _opened(file, len(features))) is None:  # another process may have been faster
                    write(file, *compute(features))
                    found = _opened(file, len(features))
        assert found is not None  # it was written just now
        return found


def write(file: Path, states_ND: Tensor, counts: Sequence[int]) -> None:
    """Write a chunk whole, or not at all.

    Raises:
        UserError: it cannot be written.
    """
    starts = torch.tensor([0, *counts]).cumsum(0)
    held, part = {"states": states_ND.contiguous(), "starts": starts}, file.with_suffix(".part")
    try:
        save_file(held, part, metadata={"checksum": checksum(held)})
        os.replace(part, file)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        do = "free some space, set PTV2_CACHE, or backbone.cache=false"
        raise UserError(f"cannot be written ({why})", where=file, do=do) from error


def _opened(file: Path, features: int) -> tuple[Tensor, Tensor] | None:
    """Map a chunk's states and their starts; None where it is not there, damaged, or of other features."""
    try:
        with safe_open(file, "pt") as held:
            found = {name: held.get_tensor(name) for name in ("states", "starts")}
            written = (held.metadata() or {}).get("checksum")
    except (OSError, SafetensorError):
        return None
    fits = len(found["starts"]) == features + 1 and int(found["starts"][-1]) == len(found["states"])
    return (found["states"], found["starts"]) if fits and written == checksum(found) else None


def checksum(held: dict[str, Tensor]) -> str:
    """Compute the CRC-32 over the bytes of tensors."""
    value = 0
    for name in sorted(held):
        value = zlib.crc32(held[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"
