"""A cell of a study: what identifies it, the folder it fills, and the line of results that it ends with.

A cell is finished when its folder holds `cell.json`: {"cell": its key, "scores": ..., "environment": ...}, and a
digest of its config where it has one; and when the scores are those that it is expected to have: what other cells
chose may change. Beside the folder stand its log and, while a process runs it, its claim.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from io import StringIO
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
        expected: scores that are known before it is run, e.g. {"rate": 0.02}, which its trials chose. Results with
            others are stale: the cell is run again.
    """

    key: dict[str, Any]
    path: Path
    work: Callable[["Cell"], dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    digest: str | None = None
    expected: dict[str, Any] = field(default_factory=dict)

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

    def accepts(self, line: Line | None) -> bool:
        """Tell whether a line, of this cell's folder or of the results, says that it is finished."""
        return line is not None and self.expected.items() <= line["scores"].items()

    def read(self) -> Line | None:
        """Return the line that its folder holds; None: none.

        Raises:
            UserError: it cannot be read.
        """
        try:
            line = json.loads(self.file.read_text(encoding="utf-8")) | {"cell": self.key}
            _ = line["scores"].items(), line["environment"].items()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            do = "remove it to finish the cell again"
            raise UserError(f"cannot be read ({error})", where=self.file, do=do) from error
        return line

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
        self._in_folders: dict[Path, tuple[int, Line | None]] = {}  # what was read from them, and when it was written

    def read(self) -> list[Line]:
        """Return the lines of the file, a line per finished cell.

        Raises:
            UserError: a line that is not one.
        """
        if not self.file.is_file():
            return []
        lines = []
        for number, text in enumerate(StringIO(self.file.read_text(encoding="utf-8")), 1):
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

        A folder's line replaces one of the same cell, but for a stale one. The file appears whole, so that several
        machines may do this.

        Raises:
            UserError: a line is of a cell with another config.
        """
        old = self.read()
        lines = {identity(line["cell"]): line for line in old}
        for cell in cells:
            name, own = identity(cell.key), self._in_folder(cell)
            if own is not None and (cell.accepts(own) or not cell.accepts(lines.get(name))):
                lines[name] = own
            if cell.digest is not None and lines.get(name, {}).get("config", cell.digest) != cell.digest:
                what = f"holds results of another config for '{cell.name}'"
                raise UserError(what, where=self.file, do="remove them, or name another folder for the results")
        if list(lines.values()) != old:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.file, "".join(map(line_of, lines.values())))
        return list(lines.values())

    def _in_folder(self, cell: Cell) -> Line | None:
        try:
            written = cell.file.stat().st_mtime_ns
        except OSError:
            return None
        if self._in_folders.get(cell.path, (None, None))[0] != written:
            self._in_folders[cell.path] = written, cell.read()
        return self._in_folders[cell.path][1]


def identity(key: dict[str, Any]) -> str:
    """Write a cell's key so that equal keys are equal texts."""
    return json.dumps(key, sort_keys=True)


def line_of(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
