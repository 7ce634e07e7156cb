"""Files that appear whole."""

import os
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a file whole: a reader sees the old one or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
