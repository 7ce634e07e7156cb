"""The frozen-state cache: what the lower layers make of each row is computed once and kept on disk.

With prompts in upper layers alone, or none (method `head`), the states that enter the lowest prompted layer are the
same in every epoch. They are stored in the dtype that the backbone computes them in, or in `backbone.cache_dtype`, and
known by all that they follow from: weights, tokenizer, rows, positions, layer, precision, libraries. Training and its
validations read them; the final scores are computed without, as those of the artifact will be.

Shapes: N tokens, B rows, T tokens of a batch, D width.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

from ptv2.backbone import Backbone
from ptv2.config.schema import Config
from ptv2.data.batches import filled
from ptv2.data.cache import cache_folder
from ptv2.data.collate import collate
from ptv2.data.datamodule import TaskDataModule
from ptv2.data.state_files import StateFiles
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.model.module import PromptModule
from ptv2.rows.arrays import column
from ptv2.runtime.progress import Progress
from ptv2.runtime.run_devices import rank_device

VERSION = 1  # of the code that computes and stores states
TOKENS = 8192  # of a batch when states are computed: they follow from no setting of the run
SPLITS = ("train", "validation")
WHERE = "backbone.cache"


class StateCache:
    """The states of a run's training and validation rows.

    Args:
        config: of the run, with `backbone.cache`.
        module: its parts.
        data: gets the states, once they are there.

    Raises:
        UserError: states that would not stay the same, a backbone that cannot be entered, more than the limit.
    """

    def __init__(self, config: Config, module: PromptModule, data: TaskDataModule):
        check_cacheable(config, module)
        self.config, self.module, self.data = config, module, data
        lowest = lowest_site(module)
        self.prompted = lowest is not None
        self.layer = module.backbone.enter_at(lowest).layer
        if self.layer is None and (other := [name for name in data.tasks if module.head(name).reads != "states"]):
            what = f"task '{other[0]}' reads what the language model makes of the last states, not these"
            raise UserError(what, where=WHERE, do="set it to false")
        dtype = config.backbone.cache_dtype
        self.dtype = module.backbone.model.dtype if dtype is None else getattr(torch, dtype)
        files = {split: self._files(split) for split in SPLITS}
        self.check_size([one for of_split in files.values() for one in of_split.values()])
        data.states.update(files)

    def _files(self, split: str) -> dict[str, StateFiles]:
        tasks = {name: data for name, data in self.data.tasks.items() if split in data.rows}
        token_bytes = self.module.backbone.width * self.dtype.itemsize
        return {
            name: StateFiles(folder, column(data.encoded(split), "length"), token_bytes)
            for name, data in tasks.items()
            if (folder := self.folder(data, split)) is not None
        }

    def folder(self, data: TaskData, split: str) -> Path | None:
        """Return where the states of a split are, named by all that they follow from; None: in no cache."""
        if (features := data.fingerprint(split)) is None:
            return None
        backbone, config = self.module.backbone, self.config
        device = rank_device(config.trainer)
        key = {
            "version": VERSION,
            "features": features,
            "weights": backbone.fingerprint,
            "fresh": fresh_weights(backbone),
            "dtype": [str(backbone.model.dtype), str(self.dtype), str(config.trainer.get("precision"))],
            "quantize": config.backbone.quantize,
            "kernel": config.backbone.attention,
            "layer": self.layer,
            "shift": backbone.position_shift if self.prompted else 0,
            "pad_to_max": self.data.config.pad_to_max,
            "libraries": [torch.__version__, transformers.__version__],
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        }
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return cache_folder() / "states" / name

    def check_size(self, files: list[StateFiles]) -> None:
        """Say what the states take on disk before they are written.

        Raises:
            UserError: more than `backbone.cache_limit`, or than the disk has left.
        """
        size, missing, limit = sum(one.size for one in files), sum(one.missing for one in files), self.limit
        where = "the last layer" if self.layer is None else f"layer {self.layer}"
        folder = cache_folder()
        print(f"states at {where}: {gigabytes(size)} in {folder / 'states'}, {gigabytes(missing)} to write", flush=True)
        do = "raise it, use cache_dtype=bfloat16 or fewer rows, or set backbone.cache=false"
        if size > limit:
            what = f"the states would take {gigabytes(size)}, and the limit is {gigabytes(limit)}"
            raise UserError(what, where="backbone.cache_limit", do=do)
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if missing > (free := shutil.disk_usage(there).free):
            what = f"{gigabytes(missing)} of states are to be written, and {gigabytes(free)} are free"
            raise UserError(what, where=folder, do="free some space, set PTV2_CACHE, or backbone.cache=false")

    @property
    def limit(self) -> int:
        """Bytes that the states may take."""
        return round(self.config.backbone.cache_limit * 1e9)

    def fill(self, rank: int = 0, world: int = 1, precision: AbstractContextManager | None = None) -> None:
        """Compute the states that are missing, on the module's device, within the precision's context.

        Raises:
            UserError: a file cannot be written.
        """
        of_splits = [(split, name, files) for split, own in self.data.states.items() for name, files in own.items()]
        with precision or nullcontext():
            for split, name, files in of_splits:
                with Progress(f"states of {name} {split}", len(self.data.tasks[name].encoded(split))) as progress:
                    files.fill(partial(self._compute, name, split, progress=progress), rank, world)

    @torch.no_grad()
    def _compute(self, name: str, split: str, features: list[int], *, progress: Progress) -> tuple[Tensor, list[int]]:
        """Compute the states [N, D] of features in the order of their lengths, and count the tokens of each."""
        data, backbone = self.data.tasks[name], self.module.backbone
        encoded, prompted = data.encoded(split), self.prompted
        lengths = column(encoded, "length")[features]
        states: list[Tensor] = []
        counts: list[int] = []
        for rows in batches_of(features, lengths):
            drawn = [(name, feature) for feature in encoded.__getitems__(rows)]
            batch = collate(drawn, {name: data}, self.data.config.pad_to_max)
            on_device = {key: held.to(backbone.device) for key, held in batch.items() if torch.is_tensor(held)}
            states_BTD = backbone.entering(on_device, prompted).to(self.dtype).cpu()
            real_BT = batch["attention_mask"].bool()
            states.append(states_BTD[real_BT])
            counts += per_feature(real_BT.sum(1).tolist(), len(rows), batch)
            progress.add(len(rows))
        return torch.cat(states), counts


def per_feature(tokens: list[int], features: int, batch: dict[str, Any]) -> list[int]:
    """Sum the tokens of the texts of each feature: one text, or one per choice."""
    if len(tokens) == features:
        return tokens
    ends = batch["choices_B"].cumsum(0).tolist()
    return [sum(tokens[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def batches_of(features: list[int], lengths: np.ndarray) -> Iterator[list[int]]:
    """Split features of these lengths into batches of so many tokens, padding included."""
    ends = filled(lengths, TOKENS).tolist()
    return (features[start:end] for start, end in zip([0, *ends], ends, strict=False))


def check_cacheable(config: Config, module: PromptModule) -> None:
    """Refuse what would change the states between epochs, or cannot compute them.

    Raises:
        UserError: names it.
    """
    method, do = module.method, "set it to false"
    if not method.cacheable or any(parameter.requires_grad for parameter in module.backbone.parameters()):
        what = f"method '{config.method_name}' changes what the lower layers compute"
        raise UserError(what, where=WHERE, do=f"{do}, or use method=deep with prompt.layers=top:K, or method=head")
    if config.backbone.compile:
        raise UserError("states cannot enter a compiled backbone", where=WHERE, do=f"{do}, or backbone.compile=false")
    if "fsdp" in str(config.trainer.get("strategy")):
        raise UserError("ranks that hold parts of layers compute no states alone", where=WHERE, do=f"{do}, or use ddp")


def lowest_site(module: PromptModule) -> int | None:
    """Return the index of the lowest site that any task prompts; None where none is."""
    with torch.no_grad(), torch.random.fork_rng():
        given = [module.method(1, number).sites for number in module.numbers.values()]
    return min((i for sites in given for i, prompt in enumerate(sites) if prompt is not None), default=None)


def fresh_weights(backbone: Backbone) -> str:
    """Compute the sha256 of the weights that the checkpoint did not hold."""
    digest, state = hashlib.sha256(), backbone.model.state_dict()
    for name in backbone.fresh:
        digest.update(name.encode() + state[name].detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


def gigabytes(size: int) -> str:
    """Write a size in GB, or in MB where it is small."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
