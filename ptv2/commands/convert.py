"""Convert to an artifact: `python -m ptv2.convert --from FOLDER --config FILE --output DIR [key=value ...]`.

The folder is one that PEFT wrote (prefix tuning, cartridge, prompt tuning, P-tuning, LoRA), or a checkpoint of the
official P-Tuning v2. The config names the backbone and the task.
"""

import argparse
from pathlib import Path

from ptv2.commands import shell as command


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.exchange.convert import convert

    quiet_transformers()
    made = convert(options.source, options.config, options.output, overrides=options.overrides, imports=options.imports)
    for note in made.notes:
        print(note)
    print(f"written: {made.folder}")


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.convert", __doc__, imports=True)
    made.add_argument("--from", dest="source", required=True, metavar="FOLDER", help="what another program wrote")
    made.add_argument("--config", required=True, type=Path, help="YAML file of a run: the backbone and the task")
    made.add_argument("--output", required=True, metavar="DIR", help="folder to make")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
