"""`ptv2 COMMAND ...`: the commands of `python -m ptv2.COMMAND` as one console script."""

import sys

from ptv2.commands import NAMES, run
from ptv2.errors import nearest
from ptv2.runtime.stop import note_early


def main() -> None:
    """Run the command that the first argument names."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(f"usage: ptv2 COMMAND [options]; commands: {', '.join(NAMES)}; options of one: ptv2 COMMAND --help")
        return
    if name not in NAMES:
        print(f"error: command line: no command '{name}'; {nearest(name, NAMES)}", file=sys.stderr)
        raise SystemExit(2)
    if name == "fit":
        note_early()  # before the imports that take seconds
    run(name, rest)


if __name__ == "__main__":
    main()
