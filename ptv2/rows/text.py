"""Bytes of a local file as text: digest, compression, UTF-8."""

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from ptv2.errors import UserError

COMPRESSED = ("gz", "zst", "bz2", "xz")
"""Endings that may follow a text format's own, as in train.jsonl.gz. What is inside is known by its first bytes."""

LFS = b"version https://git-lfs"


def check_file(path: Path) -> None:
    """Refuse what holds no rows: no file, a folder, an empty file, a pointer to a file that was not fetched.

    Raises:
        UserError: see above, or it cannot be read.
    """
    if not path.exists():
        do = "correct dataset.data_files: a card's files are looked for beside it, then from where the command runs"
        raise UserError("no such file", where=path, do=do)
    if path.is_dir():
        raise UserError("is a folder", where=path, do=f"name its files ({path}/*), or set task.dataset.path={path}")
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS))
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error
    if not start:
        raise UserError("the file is empty", where=path, do="give it rows, or leave the split out")
    if start == LFS:
        raise UserError("a Git LFS pointer, not the file itself", where=path, do="fetch it with git lfs pull")


def sha256_of(path: Path) -> str:
    """Compute the digest of a file's bytes.

    Raises:
        UserError: see `check_file`.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where=path) from error


@contextmanager
def opened(path: Path, newline: str | None) -> Iterator[TextIO]:
    """Open a file as text, unpacked where it is compressed and without a byte order mark; `newline` as `open` has it.

    Raises:
        UserError: what is read inside of the `with` is not UTF-8, or cannot be unpacked.
    """
    try:
        try:
            with _binary(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline=newline) as text:
                yield text
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        what = f"cannot be read ({str(error) or type(error).__name__})"
        raise UserError(what, where=path, do="check that the file is whole; it may have to be fetched again") from error


def _binary(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(10)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return pa.input_stream(str(path), compression="zstd")
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    if start.startswith(b"BZh") and start[4:] == b"1AY&SY":
        return bz2.open(path)
    if start.startswith(b"PK\x03\x04"):
        raise UserError("a zip archive", where=path, do=f"unpack it, or compress as {' or '.join(COMPRESSED)}")
    return path.open("rb")


def _not_utf8(path: Path) -> UserError:
    """Make the error that names the first line that is not UTF-8."""
    with _binary(path) as file:
        content = file.read()
    kind = "UTF-16 text" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "not UTF-8 text"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return UserError(kind, where=f"{path}:{line}", do="save the file as UTF-8")
    raise AssertionError("a file that is UTF-8 was found not to be")
