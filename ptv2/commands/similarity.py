"""How alike prompts are: `python -m ptv2.similarity --artifact DIR --artifact DIR ... [--config FILE]`.

Prints the cosine between every two prompts, averaged over layers (`--layers`: in each). With the config of a new task,
trains a prompt for it for a few steps and names the artifacts it is nearest to, the best sources to start from.
"""

import argparse
import json
from pathlib import Path

from ptv2.commands import shell as command
from ptv2.commands.tables import table


def main(options: argparse.Namespace) -> None:
    from ptv2.artifact.files import read_artifact
    from ptv2.backbone import quiet_transformers
    from ptv2.config.load import load_config
    from ptv2.model.load import check_one_backbone
    from ptv2.train.retrieval import cosines, rank, sources

    artifacts = [read_artifact(path) for path in options.artifact]
    for other in artifacts[1:]:
        check_one_backbone(artifacts[0], other)
    prompts = [source for artifact in artifacts for source in sources(artifact)]
    names, cosines_LNN = [prompt.name for prompt in prompts], cosines([prompt.vectors_PF for prompt in prompts])
    said = {"prompts": names, "cosine": cosines_LNN.mean(0).tolist()}
    if options.layers:
        said["layers"] = cosines_LNN.tolist()
    if options.config is not None:
        quiet_transformers()
        config = load_config(options.config, options.overrides, options.imports)
        fitting, similarity = rank(config, artifacts)
        pairs = sorted(zip(similarity, (source.name for source in fitting), strict=True), reverse=True)
        said["sources"] = {name: value for value, name in pairs}
    if options.json:
        print(json.dumps(said, ensure_ascii=False))
        return
    matrices = [("mean over layers", said["cosine"])]
    matrices += [(f"prompted layer {i}", matrix) for i, matrix in enumerate(said.get("layers", []))]
    for title, matrix in matrices:
        table(f"cosine, {title}", ["prompt", *names], [[n, *row] for n, row in zip(names, matrix, strict=True)])
    if "sources" in said:
        title = f"nearest to {config.run.name} after {config.prompt.retrieve.steps} steps"
        table(title, ["prompt", "cosine"], [[name, value] for name, value in said["sources"].items()])


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.similarity", __doc__, imports=True)
    made.add_argument("--artifact", required=True, action="append", metavar="DIR", help="a run folder; may be repeated")
    made.add_argument("--config", type=Path, help="config of a new task, to rank the prompts for it")
    made.add_argument("--layers", action="store_true", help="also the cosine in every layer")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key of the config")
    return made
