"""Score artifacts: `python -m ptv2.evaluate --artifact DIR [--task CARD] [--split SPLIT] [key=value ...]`.

Without a card it is that of the artifact; another one must have the same kind and label names. All rows of the split
are scored, unless `--limit N` is given; `--input FILE` scores the rows of a file instead. Overrides that begin with
`task.` change the card, e.g. `task.dataset.path=FOLDER`; the others change the artifact's config.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptv2.artifact.card import between, rows_of
from ptv2.commands import shell as command
from ptv2.commands.tables import table
from ptv2.errors import UserError

if TYPE_CHECKING:
    from ptv2.model.predictor import Predictor, Scored

PRINTED = "-"  # what `--json` is without a file


def main(options: argparse.Namespace) -> None:
    from ptv2.backbone import quiet_transformers
    from ptv2.model.predictor import Predictor
    from ptv2.runtime.files import write_text

    quiet_transformers()
    if "=" in (options.json or "") and not options.json.endswith(".json"):  # an override behind a bare --json
        options.json, options.overrides = PRINTED, [options.json, *options.overrides]
    if options.json not in (None, PRINTED) and not options.json.endswith(".json"):
        raise UserError(
            f"is '{options.json}'", where="--json", do="give a file that ends in .json, or none to print it"
        )
    splits = options.split or ["test"]
    overrides = [*options.overrides, *(f"data.limit.{split}={options.limit}" for split in splits if options.limit)]
    found: list[tuple[Predictor, Scored]] = []
    for artifact in options.artifact:
        predictor = Predictor(
            artifact,
            overrides=[item for item in options.overrides if not item.startswith("task.")],
            device=options.device,
            imports=options.imports,
            allow_other_precision=options.allow_other_precision,
        )
        own = options.task is None and options.head is None and options.input is None
        for head in predictor.tasks if own else [options.head]:
            for split in splits:
                found.append((predictor, predictor.score_card(options.task, split, head, overrides, options.input)))
    if options.json is None:
        show(found, options.input)
        return
    from ptv2.rows.json_rows import finite

    made = [plain(predictor, scored, options.input) for predictor, scored in found]
    text = json.dumps(finite(made[0] if len(made) == 1 else made), allow_nan=False)
    if options.json == PRINTED:
        print(text)
    else:
        show(found, options.input)
        write_text(Path(options.json), text + "\n")


def show(found: "list[tuple[Predictor, Scored]]", input: Path | None = None) -> None:
    """Print the scores, with the rows that they are of: a split of the card, or those of a file."""
    _, first = found[0]
    title, columns = f"{first.task}, {place(first, input)}, {rows_of(first.about)} rows", ["metric"]
    if len(found) > 1:
        title, columns = "scores", ["artifact", "task", "split" if input is None else "input", "rows", "metric"]
    rows: list[list[Any]] = []
    for predictor, scored in found:
        about = [str(predictor.artifact.path), scored.task, place(scored, input), rows_of(scored.about)]
        for metric, value in scored.scores.items():
            ends, trivial = between(scored.intervals[metric]), scored.baseline.get(metric)
            rows.append([*(about if len(found) > 1 else []), metric, value, ends, trivial])
    table(title, [*columns, "score", "95 % interval", "trivial answer"], rows, width=150)
    for path, tasks in {str(predictor.artifact.path): trained_on(predictor) for predictor, _ in found}.items():
        for task, about in tasks.items():
            print(f"{path}: {task} was trained on {rows_of(about)} rows")
    for line in dict.fromkeys(f"{s.task}: the trivial answer is {s.baseline_answer}" for _, s in found if s.baseline):
        print(line)
    noticed = [f"{s.task} {place(s, input)}: {notice}" for _, s in found for notice in s.about["notices"]]
    for line in dict.fromkeys(noticed):
        print(line)


def place(scored: "Scored", input: Path | None) -> str:
    """Say where rows stand: a split of the card, or of a folder, or a file, which has none."""
    if input is None:
        return scored.split
    return f"{input}, {scored.split}" if input.is_dir() else str(input)


def trained_on(predictor: "Predictor") -> dict[str, dict[str, Any]]:
    """Return how many rows each task of an artifact was trained on, as far as it says."""
    data = predictor.artifact.about.get("results", {}).get("data", {})
    return {
        task: {key: splits["train"].get(key) for key in ("rows", "of")}
        for task, splits in data.items()
        if "train" in splits
    }


def plain(predictor: "Predictor", scored: "Scored", input: Path | None = None) -> dict[str, Any]:
    """Return scores as plain values."""
    rows = {"split": scored.split} if input is None or input.is_dir() else {}
    rows |= {} if input is None else {"input": str(input)}
    about = {"artifact": str(predictor.artifact.path), "task": scored.task} | rows
    values = {"scores": scored.scores, "intervals": scored.intervals}
    trivial = {"baseline": scored.baseline, "baseline_answer": scored.baseline_answer}
    return about | scored.about | values | trivial | {"trained_on": trained_on(predictor)}


def command_line() -> argparse.ArgumentParser:
    made = command.parser("ptv2.evaluate", __doc__, imports=True)
    made.add_argument(
        "--artifact",
        required=True,
        action="append",
        type=Path,
        metavar="DIR",
        help="a run folder, or its prompt/ folder; may be repeated",
    )
    made.add_argument("--task", help="task card to score on; without: the artifact's own")
    made.add_argument("--input", type=Path, metavar="FILE", help="file or folder with the rows, instead of the card's")
    made.add_argument(
        "--split", action="append", choices=("train", "validation", "test"), help="may be repeated (test)"
    )
    made.add_argument("--limit", type=command.number_from(1), metavar="N", help="score N rows, drawn with data.seed")
    made.add_argument("--head", help="which of the artifact's heads, if it holds several")
    made.add_argument("--device", default="cpu", type=command.device, help="cpu, cuda, cuda:1, ...")
    made.add_argument(
        "--json",
        nargs="?",
        const=PRINTED,
        metavar="FILE",
        help="print JSON instead of a table, or write it to FILE.json",
    )
    command.add_precision(made)
    made.add_argument("overrides", nargs="*", metavar="key=value", help="override a key")
    return made
