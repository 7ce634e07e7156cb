"""Does a prompt learned from 300 rows beat instructions written for the same frozen model?

SmolLM2-135M writes a restaurant's description (E2E). Systems: deep prompts; the bare model asked in words, as plain
text or in its chat format, without (zero-shot) and with (one-shot) an example from the training rows.

Run: PTV2_DATA=<folder of data sets> python -m experiments.generation.study
"""

import json
import os
from pathlib import Path

from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.load import load_config
from ptv2.config.schema import Config
from ptv2.model.build import build
from ptv2.model.collect import collect
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table
from ptv2.train.fit import fit

FOLDER = Path(__file__).parent
RUNS = Path("runs") / "generation"
SEEDS = (1, 2, 3)
SCORES = ["bleu", "chrf", "rouge_l", "perplexity"]
ASK = "Describe the restaurant in one or two sentences, using this information: {meaning_representation}"
EXAMPLE = ASK.replace("{meaning_representation}", "%s")  # of a training row, its answer behind it
CHAT = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant"
SHOTS = {  # system: template of the source and the separator before the answer
    "zero-shot, plain": (ASK, "\nDescription:"),
    "one-shot, plain": (f"{EXAMPLE}\nDescription: %s\n\n{ASK}", "\nDescription:"),
    "zero-shot, chat": (CHAT % ASK, "\n"),
    "one-shot, chat": (f"{CHAT % EXAMPLE}\n%s<|im_end|>\n{CHAT % ASK}", "\n"),
}


def cell_of(system: str, seed: int) -> Cell:
    name = f"{system.replace(', ', '-').replace(' ', '-')}-{seed}"
    return Cell({"system": system, "seed": seed}, RUNS / name, run)


def config_for(cell: Cell, overrides: list[str]) -> Config:
    data = Path(os.environ["PTV2_DATA"]) / "e2e_nlg"
    return load_config(
        FOLDER / "config.yaml",
        [
            f"task.dataset.path={data}",
            f"seed={cell.key['seed']}",
            f"run.name={cell.path.name}",
            *overrides,
        ],
    )


def run(cell: Cell) -> dict[str, float]:
    if cell.key["system"] == "deep prompts":
        config = config_for(cell, [])
        results = fit(config)
        return results["scores"]["test"][next(iter(config.tasks))]
    return bare(cell)


def bare(cell: Cell) -> dict[str, float]:
    """Score the frozen model alone, asked in words; the seed draws the example of one-shot."""
    template, separator = SHOTS[cell.key["system"]]
    config = config_for(cell, ["method=head", "task.max_length=400"])
    (name, card), *_ = config.tasks.items()
    if "%s" in template:
        rows = (Path(card.dataset.path) / "train.jsonl").read_text(encoding="utf-8").splitlines()
        example = json.loads(rows[cell.key["seed"] * 997 % len(rows)])
        template = template % (example["meaning_representation"], example["human_reference"])
    card.inputs = {"source": template}
    card.options["separator"] = separator
    card.options["generation"] = {**card.options.get("generation", {}), "stop_strings": ["\n"]}
    parts = build(config)
    outputs = collect(parts.module, parts.data.eval_dataloader(name, "test"), "cpu")[name]
    return parts.tasks[name].score("test", outputs)


def main() -> None:
    quiet_transformers()
    quiet()
    asked = options()
    plain, chat = (["deep prompts", *list(SHOTS)[:2]], list(SHOTS)[2:])
    if not asked.table:
        cells = [cell_of(system, seed) for of in (plain, chat) for seed in SEEDS for system in of]
        finish(Lines(FOLDER / "results.jsonl"), cells, asked.jobs)
    write_table(
        FOLDER,
        "E2E from 300 rows: a learned prompt against written ones",
        "python -m experiments.generation.study",
        ["system"],
        SCORES,
    )


if __name__ == "__main__":
    main()
