"""What a run resumes from: the checkpoint that `resume` means, and whether it fits the run."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.train.checkpoint_file import by_step, read


@dataclass
class Start:
    """What a run resumes from."""

    path: Path
    checkpoint: dict[str, Any]

    @property
    def step(self) -> int:
        return self.checkpoint["global_step"]

    def check_data(self, fingerprints: dict[str, dict[str, str]]) -> None:
        """Refuse rows that are not those the run began with: its position among them would mean nothing.

        Raises:
            UserError: a split's rows differ.
        """
        for task, splits in self.checkpoint["data"].items():
            for split, fingerprint in splits.items():
                if fingerprints.get(task, {}).get(split) != fingerprint:
                    raise UserError(
                        f"the {split} rows are not those that {self.path.name} was trained with",
                        where=f"tasks.{task}.dataset",
                        do="restore the old rows, or start from scratch with run.overwrite=true or another run.name",
                    )

    def check_backbone(self, weights: str) -> None:
        """Refuse another backbone than that which the prompts were trained with; older checkpoints do not name it.

        Raises:
            UserError: its weights differ.
        """
        if weights != self.checkpoint.get("backbone", weights):
            what = f"the backbone's weights are not those that {self.path.name} was trained with"
            do = "restore them, or start from scratch with run.overwrite=true or another run.name"
            raise UserError(what, where="backbone.name", do=do)

    def check_end(self, max_steps: int) -> None:
        """Refuse a run that would have ended before the checkpoint.

        Raises:
            UserError: it would.
        """
        if 0 < max_steps < self.step:
            what = f"is {max_steps}, and {self.path.name} stands at step {self.step}"
            raise UserError(what, where="trainer.max_steps", do=f"give it {self.step} or more, or start another run")

    def check_draw(self, draw: dict[str, Any]) -> None:
        """Refuse batches that are drawn in another way: the position counts them. See `TaskDataModule.drawn`.

        Raises:
            UserError: their size, on all devices together, or what else they follow from is different.
        """
        for key, old in self.checkpoint.get("draw", {}).items():
            if draw.get(key) != old:
                of = " on all devices together" if key in ("data.batch_size", "data.tokens_per_batch") else ""
                what = f"is {draw.get(key)}{of}, and {self.path.name} counts batches drawn with {old}"
                do = "make them equal (resume=PATH run.name=NEW), or start a new run from its prompt (prompt.init)"
                raise UserError(what, where=key, do=do)


def find_start(resume: str, folder: Path) -> Start | None:
    """Find the checkpoint that `resume: auto|never|PATH` means for a run whose checkpoints are in `folder`.

    PATH, of another run, is where a run begins that has no checkpoint yet: started again, it resumes from its own.

    Raises:
        UserError: there is no readable checkpoint at PATH.
    """
    if resume == "never":
        return None
    if resume == "auto":
        return newest(folder)
    path = Path(resume)
    if not path.exists():
        raise UserError("no such checkpoint", where=f"resume: {path}", do="use auto, never, or a checkpoint's path")
    inside = path.resolve().is_relative_to(folder.resolve())
    own = None if inside else newest(folder)
    if own is not None:
        return own
    if path.is_dir():
        found = newest(path / "checkpoints" if (path / "checkpoints").is_dir() else path)
        if found is None:
            raise UserError("holds no checkpoint that can be read", where=f"resume: {path}")
        return found
    return Start(path.resolve(), read(path))


def newest(folder: Path) -> Start | None:
    """Find the checkpoint of the highest step that verifies; a warning names each one that does not.

    Steps count, not the files' times: a clock may go backwards.
    """
    for _, path in sorted(by_step(folder).items(), reverse=True):
        try:
            return Start(path, read(path))
        except UserError as error:
            warnings.warn(f"skipped a checkpoint: {error}", stacklevel=2)
    return None
