"""Train: `python -m ptv2.fit --config FILE [key=value ...]`.

One config, one run folder: trains, keeps the best checkpoint, scores it, and writes the artifact to share.
"""

import argparse
from pathlib import Path

from ptv2.backbone import quiet_transformers
from ptv2.commands import shell as command
from ptv2.commands.report import dry_run, print_results
from ptv2.config.load import comparable, load_config
from ptv2.config.text import dump
from ptv2.errors import Joint
from ptv2.model.build import build
from ptv2.runtime.ranks import is_zero, joint
from ptv2.runtime.stop import Stopped, handling
from ptv2.train.callbacks.signals import on_stop
from ptv2.train.fit import fit
from ptv2.train.folder import RunFolder
from ptv2.train.trainer import make_trainer


def main(options: argparse.Namespace) -> None:
    config = load_config(options.config, options.overrides)
    if options.print_config:
        print(dump(comparable(config)), end="")
        return
    quiet_transformers()
    if options.dry_run:
        parts = build(config)
        make_trainer(config, RunFolder(config), parts.data, None)
        dry_run(parts)
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
            raise SystemExit(end.code) from None  # rank zero says it
        raise
    if finished:
        print(f"{folder.path} is finished; run.overwrite=true runs it again")
    print_results(results, folder.path)


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.fit", __doc__.splitlines()[0])
    made.add_argument("--config", required=True, type=Path, help="YAML file of the run")
    made.add_argument("--print-config", action="store_true", help="print the resolved config and stop")
    made.add_argument("--dry-run", action="store_true", help="do everything up to the first batch, write nothing")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
