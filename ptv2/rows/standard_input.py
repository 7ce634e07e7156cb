"""Lines of standard input as they come: those that are there are handed on before more are waited for."""

import sys
from collections.abc import Iterator
from io import BufferedReader
from typing import cast

from ptv2.errors import UserError

BLOCK = 1 << 18  # bytes


def standard_input(most: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines that have come since the last ones, with their numbers, `most` at a time.

    Raises:
        UserError: they are not UTF-8.
    """
    rest, count = b"", 0
    source = cast(BufferedReader, sys.stdin.buffer)
    while block := source.read1(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        for some in (lines[i : i + most] for i in range(0, len(lines), most)):
            yield _numbered(some, count)
            count += len(some)
    if rest:
        yield _numbered([rest], count)


def _numbered(lines: list[bytes], count: int) -> list[tuple[int, str]]:
    try:
        found = [line.decode("utf-8") for line in lines]
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8", where="standard input", do="give it UTF-8") from error
    return [
        (count + i, line.removeprefix("\ufeff") if count + i == 1 else line) for i, line in enumerate(found, start=1)
    ]
