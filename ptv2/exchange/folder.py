"""A folder that appears whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptv2.errors import UserError


def check_free(output: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UserError: it does, or is a file.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError("is there already", where=output, do="name another folder, or remove it")


@contextmanager
def whole_folder(output: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `output` if the block ends without an error."""
    output.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield part
        part.chmod(0o755)
        if output.exists():
            output.rmdir()
        os.replace(part, output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
