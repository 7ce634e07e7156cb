"""The transfer study's runs with 64 rows again, with the form that its prompts did not have: values and slots.

As there: targets, draws, steps, and a rate of three for each target and system, chosen on validation rows. Other are
the form, the rates that are tried, and the sources, which are pretrained anew in this form with the study's steps and
the rate that a run takes by itself.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.forms [TARGET ...], after the study.
"""

from itertools import product
from typing import Any

from experiments.transfer.pretrain import pretrain
from experiments.transfer.runs import FOLDER, RUNS
from experiments.transfer.study import LINES, SEARCH_SEED, SEEDS, TARGETS, best_rate, name_of, train
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table

KEYS_VALUES, FORM = "keys and values", "values and slots"
SOURCES = FOLDER / "forms" / "sources"
OWN = Lines(FOLDER / "forms" / "results.jsonl")
ROWS, SEARCHED = 64, (0.001, 0.003, 0.01)
SYSTEMS = ("scratch", "same kind", "with head")
OVERRIDE = "prompt.form=[values,slots]"
PRETRAINED = {"ner": 0.001, "sentiment": 0.003, "qa": 0.003}  # kind -> rate


def main() -> None:
    quiet_transformers()
    quiet()
    asked = options()
    targets = [word for word in asked.rest if word in TARGETS] or list(TARGETS)
    pairs = [(t, s) for t, s in product(targets, SYSTEMS) if s != "with head" or TARGETS[t].head]
    if not asked.table:
        for kind in dict.fromkeys(TARGETS[target].kind for target in targets):
            pretrain(kind, SOURCES, [OVERRIDE, f"optim.lr={PRETRAINED[kind]}"])
        finish(OWN, [cell(*pair, SEARCH_SEED, lr) for pair in pairs for lr in SEARCHED], asked.jobs)
        finish(OWN, [cell(*pair, seed, best_rate(*pair, OWN)) for seed in SEEDS[ROWS] for pair in pairs], asked.jobs)
    report()


def cell(target: str, system: str, seed: int, lr: float) -> Cell:
    key = {"target": target, "form": FORM, "system": system, "rows": ROWS, "seed": seed, "lr": lr}
    return Cell(key, RUNS / name_of(key), run)


def run(of: Cell) -> dict[str, Any]:
    target = TARGETS[of.key["target"]]
    same = f"artifact:{SOURCES / target.kind}"
    other = {
        "scratch": [],
        "same kind": [f"prompt.init={same}"],
        "with head": [f"prompt.init={same}", f"head.init={same}+task:{target.head}"],
    }
    return train(of.key, [OVERRIDE, *other[of.key["system"]]])


def report() -> None:
    """Write the table: the study's runs with 64 rows of the targets that were run, and these."""
    targets = {line["cell"]["target"] for line in OWN.read()}
    study = [
        line | {"cell": line["cell"] | {"form": "every weight" if line["cell"]["system"] == "full" else KEYS_VALUES}}
        for line in LINES.read()
        if line["cell"]["system"] in (*SYSTEMS, "full") and line["cell"]["rows"] == ROWS
        if line["cell"]["target"] in targets
    ]
    write_table(
        OWN.file.parent,
        "Transfer with values and slots",
        "python -m experiments.transfer.forms",
        ["target", "system", "form"],
        ["test"],
        [line for line in study + OWN.read() if line["cell"]["seed"] != SEARCH_SEED],
    )


if __name__ == "__main__":
    main()
