"""Train: `python -m ptv2.fit --config FILE [key=value ...]`.

One config, one run folder: trains, keeps the best checkpoint, scores it, and writes the artifact to share.
"""

import argparse
from pathlib import Path
from typing import Any

from ptv2.commands import shell as command
from ptv2.errors import Joint, UserError
from ptv2.runtime.stop import Stopped, handling


def main(options: argparse.Namespace) -> None:
    from ptv2.config.load import comparable, load_config

    config = load_config(options.config, options.overrides, options.imports)
    if options.print_config:
        from ptv2.config.text import dump

        print(dump(comparable(config)), end="")
        return
    from ptv2.backbone import quiet_transformers
    from ptv2.commands.tables import dry_run, next_lines, print_results
    from ptv2.runtime.ranks import is_zero, joint
    from ptv2.train.callbacks.signals import on_stop
    from ptv2.train.fit import fit
    from ptv2.train.folder import RunFolder

    quiet_transformers()
    if options.dry_run:
        from ptv2.train.choose import settled
        from ptv2.train.fit import prepare
        from ptv2.train.opening import opening

        config, chosen = settled(config)
        print("".join(f"{line}\n" for line in chosen), end="", flush=True)
        folder = RunFolder(config)
        folder.check()
        folder.check_writable()
        run = prepare(config, folder)
        if run.start is not None:
            print(f"resumes from step {run.start.step} ({run.start.path})")
        print("\n".join(opening(config, run.parts, folder.path)))
        dry_run(run.parts)
        return
    folder = RunFolder(config)
    finished = folder.finished
    try:
        with handling():
            results = fit(config)
    except (Joint, Stopped) as end:
        if isinstance(end, Stopped):
            on_stop(end)
        if joint(end) and not is_zero():
            raise SystemExit(end.code) from None  # rank zero prints it
        raise
    if finished:
        print(f"{folder.path} is finished; run.overwrite=true runs it again")
    print_results(results, folder.path)
    print("\n".join(next_lines(config, folder.path)))


class HelpConfig(argparse.Action):
    """`--help-config KEY`: print what the reference says of a key, and end."""

    def __call__(self, parser: argparse.ArgumentParser, _options: Any, key: Any, _flag: str | None = None) -> None:
        from ptv2.config.reference import describe

        try:
            print(describe(key))
        except UserError as error:
            parser.error(str(error).removeprefix("command line: "))
        parser.exit()


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.fit", __doc__, imports=True)
    made.add_argument("--config", required=True, type=Path, help="YAML file of the run")
    made.add_argument("--print-config", action="store_true", help="print the resolved config and stop")
    made.add_argument("--dry-run", action="store_true", help="do everything up to the first batch, write nothing")
    made.add_argument("--help-config", action=HelpConfig, metavar="KEY", help="say what a key means and stop")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
