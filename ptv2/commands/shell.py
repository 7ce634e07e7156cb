"""What all commands share: options, quiet libraries, and errors as one line with exit code 2."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from errno import EACCES, EDQUOT, EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS
from itertools import pairwise
from typing import NoReturn

from ptv2.errors import UserError
from ptv2.runtime.quiet import quiet
from ptv2.runtime.stop import Stopped

PLACES = (EACCES, EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, EROFS)
"""Faults of a file or folder that the user named; others are of the machine or ours."""


FULL = (ENOSPC, EDQUOT)
"""Faults of a disk."""


class Parser(argparse.ArgumentParser):
    """A parser that reports a wrong option in one line, as all other errors of a user are."""

    def error(self, message: str) -> NoReturn:
        print(f"error: command line: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def parser(module: str, about: str | None, imports: bool = False) -> Parser:
    """Make a parser with the options every command has, and `--import` for those that read a config or artifact.

    Args:
        module: that `python -m` runs.
        about: its docstring, whose first line is the description; None under `python -OO`.
        imports: whether the command has `--import`.
    """
    made = Parser(prog=f"python -m {module}", description=(about or "").partition("\n")[0])
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    if imports:
        made.add_argument(
            "--import",
            dest="imports",
            action="append",
            default=[],
            metavar="FILE",
            help="Python file with methods, kinds or metrics of your own; may be repeated",
        )
    return made


def add_precision(made: Parser) -> None:
    """Add the option of commands that join an artifact to its backbone."""
    made.add_argument(
        "--allow-other-precision",
        action="store_true",
        help="take a backbone that was saved in another precision, if it is the same once both are cast",
    )


def add_sbatch(made: Parser) -> None:
    """Add the options of commands that submit to SLURM."""
    made.add_argument("--time", help="limit of the job, e.g. 12:00:00; it is requeued until the run is finished")
    made.add_argument("--warn", type=int, default=300, help="seconds before the limit at which the run saves (300)")
    made.add_argument("--sbatch", action="append", default=[], help="any option, e.g. --sbatch=--partition=gpu")
    made.add_argument("--print", action="store_true", help="print the script and submit nothing")


def import_words(files: Sequence[str]) -> list[str]:
    """Write the options that import these files, for a command that is printed or written down."""
    return [word for file in files for word in ("--import", file)]


def number_from(least: int) -> Callable[[str], int]:
    """Return what parses an option that is a whole number, not below `least`."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least}")
        return int(text)

    return parse


def device(name: str) -> str:
    """Parse a `--device` option: a device that tensors can be put on."""
    from ptv2.runtime.device import check_device  # imports torch

    try:
        check_device(name)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


def run(main: Callable[[argparse.Namespace], None], made: argparse.ArgumentParser, argv: Sequence[str] | None = None):
    """Parse, run `main`, and turn a user's mistake into one line on stderr and exit code 2."""
    options = made.parse_intermixed_args(argv)  # overrides may stand anywhere among the options
    shown = warnings.formatwarning
    say_expanded(getattr(options, "overrides", None) or getattr(options, "items", []))
    if not options.debug:
        quiet()
    try:
        main(options)
    except UserError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.code) from None
    except KeyboardInterrupt as stop:
        print(f"interrupted; {stop}" if stop.args else "interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except Stopped as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(stop.code) from None
    except BrokenPipeError:  # the reader of our output has ended, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        said = _of_disk(error)
        if options.debug or said is None:
            raise
        print(f"error: {said}", file=sys.stderr)
        raise SystemExit(2) from None
    finally:
        warnings.formatwarning = shown


def _of_disk(error: BaseException | None) -> str | None:
    """Say what cannot be written: a place that the user named, or a full disk behind another error; None: neither."""
    if isinstance(error, OSError) and error.errno in PLACES and error.filename:
        return f"{str(error.filename).removesuffix('.part')}: {error.strerror}; name another"
    do = "free some space, or write to another place"
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            where = str(error.filename or "the output").removesuffix(".part")
            return f"{where}: cannot be written ({error.strerror}); {do}"
        if type(error).__name__ == "SafetensorError" and "No space left" in str(error):
            return f"the weights: cannot be written ({error}); {do}"
        error = error.__cause__ or error.__context__
    return None


def say_expanded(words: Sequence[str]) -> None:
    """Warn of a key that stands twice in a row with two values, which is what a shell makes of unquoted braces."""
    for one, other in pairwise(words):
        key, equals, value = one.partition("=")
        if equals and other.startswith(f"{key}=") and other != one:
            parts = (value, other.removeprefix(f"{key}="))
            values = ",".join(re.sub(r"^(\w+):(?=\w)", r"\1: ", part) for part in parts)  # YAML wants the blank
            print(
                f"warning: '{key}' is given twice; if it was written with braces, quote it: '{key}={{{values}}}'",
                file=sys.stderr,
            )
