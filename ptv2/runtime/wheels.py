"""Wheels that carry files: found without importing them, every file checked by its SHA-256."""

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ptv2.errors import UserError


@dataclass(frozen=True)
class Wheel:
    """An installed package that carries files."""

    package: str
    requirement: str

    def folder(self, inside: str) -> Path:
        """Find the folder `inside` the package, without importing it.

        Raises:
            UserError: the wheel is not installed.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UserError(f"the demo wheel '{self.package}' is not installed", do=self.install)
        return Path(next(iter(spec.submodule_search_locations))) / inside

    @property
    def install(self) -> str:
        return f"run: pip install --no-deps {self.requirement}"

    @property
    def reinstall(self) -> str:
        return f"run: pip install --no-deps --force-reinstall {self.requirement}"


def check_files(files: list[Path], root: Path, sha256: str, wheel: Wheel, what: Path) -> None:
    """Compare the digest of one file's bytes, or of the names and bytes of several, with the expected one.

    Raises:
        UserError: a file is missing, or the digest differs.
    """
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            raise UserError("missing from the demo wheel", where=file, do=wheel.reinstall)
        if len(files) > 1:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(file.read_bytes())
    if digest.hexdigest() != sha256:
        raise UserError("not what the demo wheel should hold (SHA-256 differs)", where=what, do=wheel.reinstall)
