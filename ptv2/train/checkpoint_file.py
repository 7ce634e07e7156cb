"""A checkpoint on disk: a file with its checksum beside it, written so that a crash at any moment loses neither.

checkpoints/step-00000012.ckpt          what `torch.load(weights_only=True)` reads: no code in it ever runs
            step-00000012.ckpt.sha256   its checksum, as `sha256sum -c` reads it
            last.ckpt, best.ckpt        links to two of them
"""

import hashlib
import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any, BinaryIO, cast

import torch
from lightning.fabric.plugins import CheckpointIO

from ptv2.errors import UserError

FORMAT = 1


PART = ".part"  # suffix of a file that is not whole yet


def by_step(folder: Path) -> dict[int, Path]:
    """List the checkpoints in a folder, whether they can be read or not."""
    found = {path: re.fullmatch(r"step-(\d+)\.ckpt", path.name) for path in folder.glob("step-*.ckpt")}
    return {int(match[1]): path for path, match in found.items() if match}


def name(step: int) -> str:
    return f"step-{step:08d}.ckpt"


def read(path: Path) -> dict[str, Any]:
    """Load a checkpoint whose content is what was written, on the CPU.

    Raises:
        UserError: it cannot be read, differs from its checksum, holds code, or was not written by this package.
    """
    real = path.resolve()  # last.ckpt is a link, the checksum stands beside what it points to
    try:
        wanted = _checksum_file(real).read_text(encoding="ascii").split()[:1]
        if wanted != [_checksum(real)]:
            raise UserError("is damaged (it differs from its checksum)", where=path)
    except FileNotFoundError as error:
        lost = "its checksum is missing" if real.is_file() else "no such file"
        raise UserError(f"cannot be verified ({lost})", where=path) from error
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about a file that it then refuses
            checkpoint = torch.load(real, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError("holds more than tensors and plain values, so it was not loaded", where=path) from error
    except Exception as error:  # torch raises errors of many types about a file that is not its own
        raise UserError(f"is damaged ({(str(error).splitlines() or [type(error).__name__])[0]})", where=path) from error
    if not isinstance(checkpoint, dict) or checkpoint.get("format") != FORMAT:
        raise UserError(f"is not a checkpoint of this format ({FORMAT})", where=path)
    return checkpoint


def write(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint, make sure that the disk has it, read it back, and only then give it its name.

    Raises:
        UserError: any of that fails; what was there before is as it was.
    """
    part = path.with_name(path.name + PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            writer = _Hashed(file)
            writer.save(checkpoint)
            _to_disk(file)
            with suppress(AttributeError, OSError):  # read back from the disk, not from memory, where that can be had
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if _checksum(part) != writer.hash.hexdigest():
            raise UserError("differs from what was written when read back", where=path, do="check the disk")
        torch.load(part, map_location="meta", weights_only=True)
        # The checksum first: a checkpoint without one is never trusted, a checksum without a checkpoint is ignored.
        _write_small(_checksum_file(path), f"{writer.hash.hexdigest()}  {path.name}\n")
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        do = "free some space or restore its permissions; the same command resumes from the checkpoint before"
        raise UserError(f"cannot be saved ({error.strerror})", where=path, do=do) from error


def link(target: Path, path: Path) -> None:
    """Point `path` to a checkpoint beside it, at once."""
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    part.symlink_to(target.name)
    os.replace(part, path)


def remove(path: Path) -> None:
    """Remove a checkpoint, then its checksum."""
    path.unlink(missing_ok=True)
    _checksum_file(path).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a kill left in the middle of a save or a removal: parts of files, checksums without a file."""
    for path in (*folder.glob(f"*{PART}"), *folder.glob("*.sha256")):
        if path.suffix == PART or not path.with_suffix("").exists():
            path.unlink()


def check_room(folder: Path, size: int) -> None:
    """Prove before training that `size` bytes can be written.

    Raises:
        UserError: they cannot.
    """
    trial = folder / f"trial{PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with trial.open("wb") as file:
            file.write(b"x")
            _to_disk(file)
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        what = f"{size / 2**20:.1f} MiB of checkpoints cannot be written ({error.strerror})"
        raise UserError(what, where=folder, do="free some space, or choose another run.folder") from error
    finally:
        with suppress(OSError):
            trial.unlink(missing_ok=True)


class CheckpointFiles(CheckpointIO):
    """Lightning's way to the files: an error while saving is an error, and only what verifies is loaded."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        write(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        return read(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        remove(Path(path))


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO):
        self.file, self.hash = file, hashlib.sha256()
        self.error: OSError | None = None

    def save(self, content: Any) -> None:
        """Call torch.save, which makes a RuntimeError of a full disk: here the OSError stays one."""
        try:
            torch.save(content, cast("IO[bytes]", self))  # torch needs write and flush alone
        except RuntimeError:
            if self.error is not None:
                raise self.error from None
            raise

    def write(self, content: bytes) -> int:
        self.hash.update(content)
        try:
            return self.file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _checksum_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_small(path: Path, text: str) -> None:
    part = path.with_name(path.name + PART)
    with part.open("w", encoding="ascii") as file:
        file.write(text)
        _to_disk(file)
    os.replace(part, path)


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush the folder: a new name is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
