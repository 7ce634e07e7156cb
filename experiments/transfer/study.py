"""Does a pretrained prompt help a new task of which little is labelled?

Three targets of different kinds, 64 training rows (five draws) and 256 (three). Five systems, each with the learning
rate that a search over three, on validation rows and a draw of its own, chose for it on this target:

scratch: deep prompts from random values. same kind: from prompts pretrained on other sets of the kind. everything: from
prompts pretrained on the sets of all kinds. retrieved: from whichever of these four a short warm-up finds most alike.
full: every weight of the backbone fine-tuned.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.study [TARGET ...]
"""

import shutil
import sys
from itertools import product
from pathlib import Path

from experiments.study import TABLE_ONLY, Cell, read_results, run_cells, write_table
from experiments.transfer.figure import draw
from experiments.transfer.pretrain import MIXTURES, pretrain
from experiments.transfer.runs import FOLDER, RUNS, load
from ptv2.backbone import quiet_transformers
from ptv2.command import quiet
from ptv2.fit import fit

TARGETS = {  # target: its card and keys, the metric, the source of its kind, and epochs over 64 and 256 rows
    "sst2": (
        {"card": "glue/sst2", "max_length": 48, "dataset": {"splits": {"test": "test"}}},
        "accuracy",
        "sentiment",
        {64: 40, 256: 20},
    ),
    "conll2004": ({"card": "ner/conll2004", "max_length": 80}, "span_f1", "ner", {64: 40, 256: 20}),
    "squadshifts_new_wiki": (
        {"card": "qa/squad", "max_length": 160, "options": {"stride": 48}},
        "squad_f1",
        "qa",
        {64: 10, 256: 5},
    ),
}
SYSTEMS = ("scratch", "same kind", "everything", "retrieved", "full")
PROMPT_RATES, FULL_RATES = (0.003, 0.01, 0.03), (3e-5, 1e-4, 3e-4)
SEARCH_SEED = 100
SEEDS = {64: (1, 2, 3, 4, 5), 256: (1, 2, 3)}
TEST_ROWS = 300


def main(targets: list[str]) -> None:
    quiet_transformers()
    quiet()
    if not TABLE_ONLY:
        for mixture in MIXTURES:
            pretrain(mixture)
        for target in targets:
            run_cells(FOLDER, [cell(target, system, 64, SEARCH_SEED, lr) for system, lr in grid()], run)
        for rows, seeds in SEEDS.items():
            for seed, target, system in product(seeds, targets, SYSTEMS):
                run_cells(FOLDER, [cell(target, system, rows, seed, best_rate(target, system))], run)
                report()
    report()


def grid() -> list[tuple[str, float]]:
    """Every learning rate that is searched for a target; `retrieved` takes that of `same kind`."""
    systems = [system for system in SYSTEMS if system != "retrieved"]
    return [(system, lr) for system in systems for lr in (FULL_RATES if system == "full" else PROMPT_RATES)]


def cell(target: str, system: str, rows: int, seed: int, lr: float) -> Cell:
    return {"target": target, "system": system, "rows": rows, "seed": seed, "lr": lr}


def best_rate(target: str, system: str) -> float:
    """The searched rate with the highest validation score."""
    system = "same kind" if system == "retrieved" else system
    found = {
        line["cell"]["lr"]: line["scores"]["validation"]
        for line in read_results(FOLDER)
        if line["cell"] | {"target": target, "system": system, "seed": SEARCH_SEED} == line["cell"]
    }
    return max(found, key=found.__getitem__)


def run(of: Cell) -> dict[str, float]:
    card, metric, kind, epochs = TARGETS[of["target"]]
    overrides = [
        f"seed={of['seed']}",
        f"optim.lr={of['lr']}",
        f"data.limit.train={of['rows']}",
        "data.limit.validation=100",
        f"data.limit.test={TEST_ROWS}",
        f"trainer.max_epochs={epochs[of['rows']]}",
        f"trainer.check_val_every_n_epoch={epochs[of['rows']] // 2}",
    ]
    if of["system"] == "full":
        overrides += ["method=full", "backbone.dtype=float32"]
    elif of["system"] != "scratch":
        source = {"same kind": f"pretrain-{kind}", "everything": "pretrain-everything"}.get(of["system"])
        overrides += [f"prompt.init={f'artifact:{RUNS / source}' if source else f'retrieve:{library()}'}"]
    name = "-".join(str(of[key]) for key in of).replace(" ", "_")
    results = fit(load(name, {of["target"]: card}, overrides))
    scores, minutes = results["scores"], results["wall_seconds"] / 60
    test = scores["test"][of["target"]][metric]
    return {"test": test, "validation": scores["validation"][of["target"]][metric], "minutes": minutes} | results.get(
        "retrieved", {}
    )


def library() -> Path:
    """A folder with the four sources alone, for `retrieve:`."""
    folder = RUNS / "library"
    folder.mkdir(parents=True, exist_ok=True)
    for mixture in MIXTURES:
        shutil.copytree(RUNS / f"pretrain-{mixture}" / "prompt", folder / mixture, dirs_exist_ok=True)
    return folder


def report() -> None:
    final = [line for line in read_results(FOLDER) if line["cell"]["seed"] != SEARCH_SEED]
    if final:
        draw(final, SYSTEMS, FOLDER / "figure.svg")
    write_table(
        FOLDER,
        "Transfer of pretrained prompts",
        "python -m experiments.transfer.study",
        ["target", "rows", "system"],
        ["test"],
        keep=lambda cell: cell["seed"] != SEARCH_SEED,
    )


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word in TARGETS] or list(TARGETS))
