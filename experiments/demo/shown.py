"""What `make quickstart` prints at its end: three runs on film snippets beside each other, and three of their answers.

Run: python -m experiments.demo.shown [FOLDER OF THE RUNS]
"""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

from ptv2.artifact.card import between, rows_of
from ptv2.commands.tables import table
from ptv2.errors import UserError
from ptv2.rows import demo
from ptv2.study.finished import read_results

RUNS = {
    "transfer-demo": "pretrained prompt",
    "transfer-demo-scratch": "prompt from scratch",
    "transfer-demo-full": "full fine-tuning",
}
TASK, METRIC, WIDTH = "movie", "accuracy", 50


def main(folder: Path) -> None:
    found = {said: read_results(folder / name) for name, said in RUNS.items()}
    scores = {said: results["scores"]["test"][TASK][METRIC] for said, results in found.items()}
    rows = [[said, results["data"][TASK]["train"]["rows"], *score(results)] for said, results in found.items()]
    table(
        "film snippets, positive or negative", ["", "train rows", "test accuracy", "95 % interval", "test rows"], rows
    )
    trivial = next(iter(found.values()))["baseline"][TASK]["test"][METRIC]
    for said, value in (scores | {"trivial answer": trivial}).items():
        print(f"  {said:<20} {'█' * round(value * WIDTH):<{WIDTH}} {value:.3f}")
    print()
    answers = {said: predicted(folder / name) for name, said in RUNS.items()}
    texts = demo.rows(TASK, "test")
    shown = [
        [cut(texts[i]["text"], 56), texts[i]["label"], *(made[i] for made in answers.values())]
        for i in list(next(iter(answers.values())))[:3]
    ]
    table("the first three of these test rows", ["text", "raters", *answers], shown, width=140)
    print(f"curves: {Path(sys.executable).parent / 'tensorboard'} --logdir {folder}")
    print("next: try your own file: ptv2 init FILE")


def score(results: dict[str, Any]) -> list[Any]:
    """Return a run's test score, its interval and the number of rows that they are of."""
    value, ends = results["scores"]["test"][TASK][METRIC], results["intervals"]["test"][TASK].get(METRIC)
    return [value, between(ends), rows_of(results["data"][TASK]["test"])]


def predicted(run: Path) -> dict[int, str]:
    """Read what a run answered, by the number of the test row."""
    lines = StringIO((run / "predictions" / f"{TASK}.test.jsonl").read_text(encoding="utf-8"))
    return {line["row"]: line["prediction"] for line in map(json.loads, lines)}


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs"))
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
