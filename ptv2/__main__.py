"""`ptv2 COMMAND ...`: the commands of `python -m ptv2.COMMAND` as one console script."""

import sys

from ptv2.commands import COMMANDS, run
from ptv2.errors import nearest
from ptv2.runtime.stop import note_early


def main() -> None:
    """Run the command that the first argument names."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {command:{width}}  {what}" for command, what in COMMANDS.items()]
        print("\n".join(["usage: ptv2 COMMAND [options]", "", *lines, "", "options of one: ptv2 COMMAND --help"]))
        return
    if name not in COMMANDS:
        print(f"error: command line: no command '{name}'; {nearest(name, COMMANDS)}", file=sys.stderr)
        raise SystemExit(2)
    if name in ("fit", "search"):
        note_early()  # before the imports that take seconds
    run(name, rest)


if __name__ == "__main__":
    main()
