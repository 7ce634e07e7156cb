"""How alike prompts are: `python -m ptv2.similarity --artifact DIR --artifact DIR ... [--config FILE]`.

Prints how far every two prompts change the backbone's states of a few fixed texts in the same direction; what a random
start explains of a change does not count. With the config of a new task, ranks them as sources for it: by the share of
the loss with an untrained prompt that a head saves with each of them, on rows it has not seen.
"""

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from ptv2.commands import shell as command
from ptv2.commands.tables import table


def main(options: argparse.Namespace) -> None:
    from ptv2.artifact.files import read_artifact
    from ptv2.backbone import quiet_transformers
    from ptv2.config.load import load_config
    from ptv2.model.auto import resolved
    from ptv2.model.load import check_one_backbone
    from ptv2.model.outside import TEXTS
    from ptv2.train.retrieval import likenesses, rank, sources

    quiet_transformers()
    artifacts = [read_artifact(path) for path in options.artifact]
    for other in artifacts[1:]:
        check_one_backbone(artifacts[0], other)
    prompts = [source for artifact in artifacts for source in sources(artifact)]
    names, matrix = [prompt.name for prompt in prompts], likenesses(prompts, options.imports)
    said: dict[str, Any] = {"prompts": names, "similarity": matrix}
    if not options.json:
        table("similarity", ["prompt", *names], [[name, *row] for name, row in zip(names, matrix, strict=True)])
        alone = "with itself, the square of the share that is not chance"
        print(f"of what they change in the states of {len(TEXTS)} fixed texts; {alone}")
    if options.config is not None:
        config = load_config(options.config, options.overrides, options.imports)
        config = resolved(config, artifacts[0].config["prompt"])
        with redirect_stdout(sys.stderr) if options.json else nullcontext():  # what training says is no JSON
            ranked = rank(config, artifacts)
        found = zip(ranked.sources, ranked.similarity, strict=True)
        said |= {"sources": {source.name: value for source, value in found}, "left_out": ranked.repeats}
    if options.json:
        print(json.dumps(said, ensure_ascii=False))
        return
    if "sources" in said:
        title = f"as a source for {config.run.name}, {config.prompt.retrieve.steps} steps of the head"
        table(title, ["prompt", "similarity"], [[name, value] for name, value in said["sources"].items()])
        print(f"share of the loss with an untrained prompt that each saves, on {ranked.features} training features")
        for name in said["left_out"]:
            print(f"left out, a run of the same task and rows: {name}")


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.similarity", __doc__, imports=True)
    made.add_argument("--artifact", required=True, action="append", metavar="DIR", help="a run folder; may be repeated")
    made.add_argument("--config", type=Path, help="config of a new task, to rank the prompts for it")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
