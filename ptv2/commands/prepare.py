"""Fetch and tokenise what a run needs: `python -m ptv2.prepare --config FILE [key=value ...]`.

For clusters whose compute nodes have no network: run it once where there is one, with the HF_HOME and PTV2_CACHE of the
job. It does what `ptv2.fit` does up to its first batch, so that nothing is left to fetch, and writes no run.
"""

import argparse
import shlex
from pathlib import Path

from ptv2.commands import shell as command
from ptv2.commands.tables import table


def main(options: argparse.Namespace) -> None:
    from huggingface_hub import constants

    from ptv2.backbone import quiet_transformers
    from ptv2.config.load import load_config
    from ptv2.data.cache import cache_folder
    from ptv2.model.build import build
    from ptv2.train.choose import settled
    from ptv2.train.retrieval import retrieve

    quiet_transformers()
    for path in options.config:
        config, _ = settled(load_config(path, options.overrides, options.imports))
        if config.prompt.start.kind == "retrieve":
            retrieve(config)
        parts = build(config)
        rows = [
            [name, split, len(found.data), len(data.encoded(split))]
            for name, data in parts.tasks.items()
            for split, found in data.rows.items()
        ]
        table(f"{config.backbone.name} and the rows of", ["task", "split", "rows", "features"], rows)
        words = shlex.join(["--config", str(path), *command.import_words(options.imports), *options.overrides])
        print(f"without a network: HF_HUB_OFFLINE=1 python -m ptv2.fit {words}")
    print(f"fetched to {constants.HF_HOME}, tokenised to {cache_folder()}")


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.prepare", __doc__, imports=True)
    made.add_argument("--config", required=True, type=Path, action="append", help="YAML file of a run; may be repeated")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
