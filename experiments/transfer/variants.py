"""Why the gain is what it is: other settings for runs of the transfer study, 64 rows, three draws.

The study pools the mean of a text's states, where the official code reads the first token. With entities, full
fine-tuning is ahead of prompts pretrained on the kind, so what could bring these further is tried. The learning rates
are those that the study searched for its own setting: a variant with rates of its own might do better.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.variants, after the study.
"""

from typing import Any

from experiments.transfer.runs import FOLDER, RUNS
from experiments.transfer.study import LINES, best_rate, cell, name_of, overrides_of, train
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table

SAME, SLOWER = "as in the study", "prompt at a third of the head's rate"
LONGER, FIRST_TOKEN = ["mixture.steps_per_epoch=120"], ["head.pooling=cls"]
MATRIX = ["prompt.sharing=shared+task", "prompt.rank=4"]
VARIANTS: dict[tuple[str, str], dict[str, list[str]]] = {  # target, variant -> system -> what is other
    ("sst2", SAME): {"scratch": [], "same kind": []},
    ("sst2", "reads the first token"): {"scratch": FIRST_TOKEN, "same kind": FIRST_TOKEN},
    ("sst2", "240 steps"): {"scratch": LONGER, "same kind": LONGER},
    ("conll2004", SAME): {"same kind": [], "full": []},
    ("conll2004", "240 steps"): {"same kind": LONGER, "full": LONGER},
    ("conll2004", SLOWER): {"same kind": []},
    ("conll2004", "times a matrix of rank 4 for the task"): {"same kind": MATRIX},
}
SEEDS = (1, 2, 3)


def main() -> None:
    quiet_transformers()
    quiet()
    asked, own = options(), Lines(FOLDER / "variants" / "results.jsonl")
    keys = [
        cell(target, system, 64, seed, best_rate(target, system)).key | {"variant": variant}
        for seed in SEEDS
        for (target, variant), systems in VARIANTS.items()
        for system in systems
    ]
    if not asked.table:
        cells = [Cell(key, RUNS / name_of(key), run) for key in keys if key["variant"] != SAME]
        finish(own, cells, asked.jobs)
    study = [line | {"cell": line["cell"] | {"variant": SAME}} for line in LINES.read()]
    write_table(
        own.file.parent,
        "Variants of the transfer study",
        "python -m experiments.transfer.variants",
        ["target", "variant", "system"],
        ["test"],
        [line for line in study + own.read() if line["cell"] in keys],
    )


def run(of: Cell) -> dict[str, Any]:
    key = of.key
    other = VARIANTS[key["target"], key["variant"]][key["system"]]
    if key["variant"] == SLOWER:
        other = [f"optim.head_lr={key['lr']}", f"optim.lr={key['lr'] / 3}"]
    return train(key, overrides_of(key) + other)


if __name__ == "__main__":
    main()
