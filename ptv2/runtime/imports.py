"""Python files of the user's own, which register methods, kinds or metrics: `--import FILE`, `import:` in a config."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path

from ptv2.errors import UserError

loaded: set[Path] = set()


def load_files(files: Iterable[str | Path]) -> None:
    """Run each file once in this process; a second call does nothing.

    Raises:
        UserError: no such file, or it cannot be imported: names the line.
    """
    for file in files:
        path = Path(file).expanduser().resolve()
        if path not in loaded:
            _load(path, file)
            loaded.add(path)


def _load(path: Path, file: str | Path) -> None:
    if not path.is_file():
        raise UserError("no such file to import", where=file, do="give its path with --import")
    name = _module_name(path)
    if name in sys.modules:
        return  # imported by its name before
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None  # given the loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # first: what is defined in it looks there for its module
    try:
        loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, UserError | KeyboardInterrupt) or not isinstance(error, Exception | SystemExit):
            raise
        what = f"cannot be imported ({type(error).__name__}: {error})"
        raise UserError(what, where=f"{file}:{_line(error, path)}", do="correct the file") from error


def _module_name(path: Path) -> str:
    """Choose the name of the module: the file's, so that others can import it, or a unique one where that is taken."""
    held = sys.modules.get(path.stem)
    if held is not None:
        ours = getattr(held, "__file__", None) == str(path)
    else:
        try:
            spec = importlib.util.find_spec(path.stem)
        except (ImportError, ValueError):
            spec = None
        ours = spec is None or spec.origin == str(path)
    return path.stem if ours else f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _line(error: BaseException, path: Path) -> int | str:
    """Return the last line of the file that was reached."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (lines[-1] if lines else None) or 1
