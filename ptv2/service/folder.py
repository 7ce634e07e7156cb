"""The folder that a server may read artifacts from, and nothing beside it."""

import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact
from ptv2.errors import UserError
from ptv2.service.refused import Refused

ABOUT, WEIGHTS = "artifact.json", "weights.safetensors"


class ArtifactFolder:
    """Artifacts by name: each is a subfolder, or the `prompt/` of one.

    Args:
        root: the folder.

    Raises:
        UserError: it is not there.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise UserError("no such folder", where=root, do="give --artifacts a folder of artifacts")
        self.real = self.root.resolve()

    def names(self) -> list[str]:
        """List the subfolders that hold an artifact."""
        found = []
        for path in sorted(self.root.iterdir()):
            try:
                self.place(path.name)
            except Refused:
                continue
            found.append(path.name)
        return found

    def place(self, name: str) -> Path:
        """Find the folder with the files of an artifact.

        Raises:
            Refused: 400 for a name that is more than a folder's, 404 where no artifact has it or a link leads outside.
        """
        if not name.isprintable() or name.startswith(".") or "/" in name or "\\" in name or len(name.encode()) > 255:
            raise Refused(400, "bad_name", "an artifact's name is that of one folder: no slash, no leading dot")
        nothing = Refused(404, "no_such_artifact", f"no artifact '{name}' in the server's folder")
        if not name:
            raise nothing
        for place in (self.root / name / "prompt", self.root / name):
            files = [place / ABOUT, place / WEIGHTS]
            try:
                there = all(file.is_file() for file in files)
            except OSError:  # a folder that may not be entered
                there = False
            if there:
                if not all(file.resolve().is_relative_to(self.real) for file in files):
                    raise nothing
                return place
        raise nothing

    def read(self, name: str) -> tuple[Artifact, str]:
        """Read an artifact and the digest of its files.

        Its weights are mapped from a copy that only this process has, so whoever writes over the files, whole or in
        part, changes nothing that is being used.

        Raises:
            Refused: there is none, or 409 where its files change meanwhile.
            UserError: it cannot be read.
        """
        place = self.place(name)
        try:
            return self._read(place, name)
        except OSError as error:
            what = f"cannot be read ({error.strerror or error})"
            raise UserError(what, where=name, do="see its permissions") from error

    def _read(self, place: Path, name: str) -> tuple[Artifact, str]:
        with tempfile.TemporaryDirectory(prefix="ptv2-serve-") as made:
            before, digest = _state(place), hashlib.sha256()
            for file in (ABOUT, WEIGHTS):
                shutil.copyfile(place / file, Path(made) / file)
            if _state(place) != before:
                raise Refused(409, "changing", f"the files of artifact '{name}' change while they are read", retry=1)
            for file in (ABOUT, WEIGHTS):
                with (Path(made) / file).open("rb") as opened:
                    digest.update(hashlib.file_digest(opened, "sha256").digest())
            try:
                artifact = read_artifact(made)
            except UserError as error:
                raise UserError(str(error).replace(made, name)) from error
        return replace(artifact, path=Path(name)), digest.hexdigest()[:16]


def _state(place: Path) -> list[tuple[int, int, int]]:
    stats = [(place / file).stat() for file in (ABOUT, WEIGHTS)]
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]
