"""A cell of a study: what identifies it, the folder it fills, and the line of results that it ends with.

A cell is finished when its folder holds `cell.json`: {"cell": its key, "scores": ..., "environment": ...}, and a
digest of its config where it has one. Beside the folder stand its log and, while a process runs it, its claim.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ptv2.errors import UserError
from ptv2.runtime.files import write_text

Line = dict[str, Any]
FILE = "cell.json"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        key: what identifies it: its task, method, seed, ...
        path: the folder that it fills.
        work: what it does, a function of a module: returns the scores. It is called in a process of its own, again
            if the first one was killed.
        settings: what `work` reads beside the key.
        digest: of all that decides the scores: results of another config are refused. None: not known.
    """

    key: dict[str, Any]
    path: Path
    work: Callable[["Cell"], dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None

    @property
    def name(self) -> str:
        """The values of the key, for people."""
        return " ".join(
            f"{name}={value}" if isinstance(value, float) else str(value) for name, value in self.key.items()
        )

    @property
    def file(self) -> Path:
        return self.path / FILE

    @property
    def log(self) -> Path:
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def claim(self) -> Path:
        return self.path.with_name(f"{self.path.name}.claim")

    def write(self, scores: dict[str, Any], environment: dict[str, Any]) -> None:
        """Write that the cell is finished."""
        self.path.mkdir(parents=True, exist_ok=True)
        config = {} if self.digest is None else {"config": self.digest}
        write_text(self.file, line_of({"cell": self.key, **config, "scores": scores, "environment": environment}))


class Lines:
    """The results of finished cells: those in a results.jsonl, which may come from elsewhere, and those in folders.

    Args:
        file: results.jsonl, which need not exist yet.
    """

    def __init__(self, file: Path):
        self.file = file
        self._in_folders: dict[Path, Line] = {}  # what was read from them: a finished cell does not change

    def read(self) -> list[Line]:
        """Return the lines of the file, a line per finished cell.

        Raises:
            UserError: a line that is not one.
        """
        if not self.file.is_file():
            return []
        lines = []
        for number, text in enumerate(self.file.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
                _ = line["cell"].items(), line["scores"].items(), line["environment"].items()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                do = "remove it: the cell is run again"
                raise UserError("not the results of a cell", where=f"{self.file}:{number}", do=do) from error
            lines.append(line)
        return lines

    def gather(self, cells: Iterable[Cell]) -> list[Line]:
        """Write what the cells' folders hold into the file, and return all of its lines.

        A folder's line replaces one of the same cell. The file appears whole, so that several machines may do this.

        Raises:
            UserError: a line is of a cell with another config.
        """
        old = self.read()
        lines = {identity(line["cell"]): line for line in old}
        for cell in cells:
            if cell.path not in self._in_folders and cell.file.is_file():
                self._in_folders[cell.path] = _read(cell)
            name = identity(cell.key)
            if cell.path in self._in_folders:
                lines[name] = self._in_folders[cell.path]
            if cell.digest is not None and lines.get(name, {}).get("config", cell.digest) != cell.digest:
                what = f"holds results of another config for '{cell.name}'"
                raise UserError(what, where=self.file, do="remove them, or name another folder for the results")
        if list(lines.values()) != old:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.file, "".join(map(line_of, lines.values())))
        return list(lines.values())


def identity(key: dict[str, Any]) -> str:
    """Write a cell's key so that equal keys are equal texts."""
    return json.dumps(key, sort_keys=True)


def line_of(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


def _read(cell: Cell) -> Line:
    try:
        return json.loads(cell.file.read_text(encoding="utf-8")) | {"cell": cell.key}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"cannot be read ({error})", where=cell.file, do="remove it to finish the cell again"
        ) from error
