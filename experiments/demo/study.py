"""What `make quickstart` shows, over several seeds: entities in tweets from 64 rows, with and without pretraining;
and the embedded single-task default, deep prompts beside a linear probe.

Run: python -m experiments.demo.study
"""

from pathlib import Path
from typing import Any

from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.load import load_config
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table
from ptv2.train.fit import fit

FOLDER = Path(__file__).parent
CONFIGS = FOLDER.parents[1] / "configs"
RUNS = Path("runs") / "demo-study"
SEEDS = (11, 12, 13)
SYSTEMS = ("pretrained on two other kinds", "from scratch", "bbc_topic: deep prompts", "bbc_topic: linear probe")


def cell_of(system: str, seed: int) -> Cell:
    name = f"{system.replace(': ', '-').replace(' ', '-')}-{seed}"
    return Cell({"system": system, "seed": seed}, RUNS / "cells" / name, run)


def run(cell: Cell) -> dict[str, float]:
    system, seed = cell.key["system"], cell.key["seed"]
    if system == "pretrained on two other kinds":
        train("pretrain/demo.yaml", f"pretrain-{seed}", [f"seed={seed}"])
        source = f"prompt.init=artifact:{RUNS}/pretrain-{seed}"
        results = train("transfer/demo.yaml", f"transfer-{seed}", [f"seed={seed}", source])
    elif system == "from scratch":
        results = train("transfer/demo.yaml", f"scratch-{seed}", [f"seed={seed}", "prompt.init=normal"])
    else:
        method = "deep" if "deep" in system else "head"
        results = train("quickstart.yaml", f"{method}-{seed}", [f"seed={seed}", f"method={method}"])
    ((task, scores),) = results["scores"]["test"].items()
    metric, value = next(iter(scores.items()))
    trivial = results["baseline"][task]["test"][metric]
    return {"test score": value, "trivial baseline": trivial, "minutes": results["wall_seconds"] / 60}


def train(config: str, name: str, overrides: list[str]) -> dict[str, Any]:
    return fit(load_config(CONFIGS / config, [f"run.folder={RUNS}", f"run.name={name}", *overrides]))


def main() -> None:
    quiet_transformers()
    quiet()
    asked = options()
    if not asked.table:
        cells = [cell_of(system, seed) for seed in SEEDS for system in SYSTEMS]
        finish(Lines(FOLDER / "results.jsonl"), cells, asked.jobs)
    columns = ["test score", "trivial baseline", "minutes"]
    write_table(FOLDER, "What the quickstart shows", "python -m experiments.demo.study", ["system"], columns)


if __name__ == "__main__":
    main()
