"""Why the gain is what it is: other settings for runs of the transfer study, 64 rows, three draws.

The study pools the mean of a text's states, where the official code reads the first token. With entities, full
fine-tuning is ahead of prompts pretrained on the kind, so what could bring these further is tried. The learning rates
are those that the study searched for its own setting: a variant with rates of its own might do better.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.variants, after the study.
"""

from typing import Any

from experiments.study import Cell, read_results, run_cells, write_table
from experiments.transfer.runs import FOLDER
from experiments.transfer.study import best_rate, cell, overrides_of, train
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet

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
    folder = FOLDER / "variants"
    folder.mkdir(exist_ok=True)
    cells = [
        cell(target, system, 64, seed, best_rate(target, system)) | {"variant": variant}
        for seed in SEEDS
        for (target, variant), systems in VARIANTS.items()
        for system in systems
    ]
    run_cells(folder, [of for of in cells if of["variant"] != SAME], run)
    study = [line | {"cell": line["cell"] | {"variant": SAME}} for line in read_results(FOLDER)]
    write_table(
        folder,
        "Variants of the transfer study",
        "python -m experiments.transfer.variants",
        ["target", "variant", "system"],
        ["test"],
        [line for line in study + read_results(folder) if line["cell"] in cells],
    )


def run(of: Cell) -> dict[str, Any]:
    other = VARIANTS[of["target"], of["variant"]][of["system"]]
    if of["variant"] == SLOWER:
        other = [f"optim.head_lr={of['lr']}", f"optim.lr={of['lr'] / 3}"]
    return train(of, overrides_of(of) + other)


if __name__ == "__main__":
    main()
