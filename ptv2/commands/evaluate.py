"""Score an artifact: `python -m ptv2.evaluate --artifact DIR --task CARD [--split SPLIT] [key=value ...]`.

The card may be another one than the artifact was trained on, if its kind and label names are the same. All rows of the
split are scored, unless `data.limit.SPLIT=N` is given. Overrides that begin with `task.` change the card, e.g.
`task.dataset.path=FOLDER`; the others change the artifact's config.
"""

import argparse
import json
from pathlib import Path

from ptv2.commands import shell as command
from ptv2.commands.report import table


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.model.predictor import Predictor

    quiet_transformers()
    predictor = Predictor(
        options.artifact,
        overrides=[item for item in options.overrides if not item.startswith("task.")],
        device=options.device,
        imports=options.imports,
        allow_other_precision=options.allow_other_precision,
    )
    found = predictor.score_card(options.task, options.split, options.head, options.overrides)
    if options.json:
        about = {"artifact": str(predictor.artifact.path), "task": found.card, "split": options.split}
        print(json.dumps(about | {"rows": found.rows, "scores": found.scores}))
    else:
        title = f"{found.card}, {options.split}, {found.rows:,} rows"
        table(title, ["metric", "score"], [[k, v] for k, v in found.scores.items()])


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.evaluate", __doc__, imports=True)
    made.add_argument("--artifact", required=True, type=Path, help="a run folder, or its prompt/ folder")
    made.add_argument("--task", required=True, help="task card to score on")
    made.add_argument("--split", default="test", choices=("train", "validation", "test"))
    made.add_argument("--head", help="which of the artifact's heads, if it holds several")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key")
    return made
