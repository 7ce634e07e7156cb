"""Does a pretrained prompt help a new task of which little is labelled?

Three targets of different kinds, 64 training rows (five draws) and 256 (three). Six systems, each with the learning
rate that a search over three, on validation rows and a draw of its own, chose for it on this target:

scratch: deep prompts from random values. same kind: from prompts pretrained on other sets of the kind. with head: the
same, and the head of one of those sets, where it has the target's labels. everything: from prompts pretrained on the
sets of all kinds. retrieved: from whichever of these four is most similar to the target. full: every weight of the
backbone fine-tuned.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.study [TARGET ...]
"""

import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from experiments.transfer.pretrain import MIXTURES, SOURCES, pretrain
from experiments.transfer.runs import FOLDER, RUNS, load
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.schema import Config
from ptv2.study.cell import Cell, Lines
from ptv2.study.figure import draw
from ptv2.study.script import finish, options
from ptv2.study.table import write_table
from ptv2.train.fit import fit
from ptv2.train.retrieval import retrieve


@dataclass
class Target:
    """A task to transfer to, and what is special about it."""

    card: dict[str, Any]
    metric: str
    kind: str  # the source of its kind
    head: str | None  # a task of that source whose labels are the target's
    steps: int
    batch_size: int


TARGETS = {
    "sst2": Target(
        {"card": "glue/sst2", "max_length": 48, "dataset": {"splits": {"test": "test"}}},
        metric="accuracy",
        kind="sentiment",
        head="hutto_movie",
        steps=120,
        batch_size=16,
    ),
    "conll2004": Target(
        {"card": "ner/conll2004", "max_length": 80},
        metric="span_f1",
        kind="ner",
        head=None,
        steps=120,
        batch_size=16,
    ),
    "squadshifts_new_wiki": Target(
        {"card": "qa/squad", "max_length": 160, "options": {"stride": 48}, "on_bad_row": "skip"},  # too long a question
        metric="squad_f1",
        kind="qa",
        head="squad",
        steps=80,
        batch_size=8,
    ),
}
SYSTEMS = ("scratch", "same kind", "with head", "everything", "retrieved", "full")
PROMPT_RATES, FULL_RATES = (0.003, 0.01, 0.03), (3e-5, 1e-4, 3e-4)
SEARCH_SEED = 100
SEEDS = {64: (1, 2, 3, 4, 5), 256: (1, 2, 3)}
TEST_ROWS = 300
LINES = Lines(FOLDER / "results.jsonl")


def main() -> None:
    quiet_transformers()
    quiet()
    asked = options()
    targets = [word for word in asked.rest if word in TARGETS] or list(TARGETS)
    if not asked.table:
        for mixture in MIXTURES:
            pretrain(mixture)
        searched = [cell(t, system, 64, SEARCH_SEED, lr) for t in targets for system, lr in grid(t)]
        finish(LINES, searched, asked.jobs)
        cells = [
            cell(target, system, rows, seed, best_rate(target, system))
            for rows, seeds in SEEDS.items()
            for seed, target in product(seeds, targets)
            for system in systems(target)
        ]
        finish(LINES, cells, asked.jobs)
    report()


def systems(target: str) -> list[str]:
    return [system for system in SYSTEMS if system != "with head" or TARGETS[target].head]


def grid(target: str) -> list[tuple[str, float]]:
    """List the learning rates that are searched for a target; `retrieved` takes that of `same kind`."""
    searched = [system for system in systems(target) if system != "retrieved"]
    return [(system, lr) for system in searched for lr in (FULL_RATES if system == "full" else PROMPT_RATES)]


def cell(target: str, system: str, rows: int, seed: int, lr: float) -> Cell:
    key = {"target": target, "system": system, "rows": rows, "seed": seed, "lr": lr}
    return Cell(key, RUNS / name_of(key), run)


def name_of(key: dict[str, Any]) -> str:
    """Name the run of a cell."""
    return "-".join(map(str, key.values())).replace(" ", "_")


def best_rate(target: str, system: str, lines: Lines = LINES) -> float:
    """Return the searched rate with the highest validation score, from the study's lines or others."""
    system = "same kind" if system == "retrieved" else system
    found = {
        line["cell"]["lr"]: line["scores"]["validation"]
        for line in lines.read()
        if line["cell"] | {"target": target, "system": system, "seed": SEARCH_SEED} == line["cell"]
    }
    return max(found, key=found.__getitem__)


def run(of: Cell) -> dict[str, Any]:
    """Run a cell and return its scores."""
    return retrieved(of) if of.key["system"] == "retrieved" else train(of.key, overrides_of(of.key))


def overrides_of(of: dict[str, Any]) -> list[str]:
    """Return the overrides that make the run of a cell of this key."""
    target = TARGETS[of["target"]]
    same = f"artifact:{SOURCES / target.kind}"
    return {
        "scratch": [],
        "same kind": [f"prompt.init={same}"],
        "with head": [f"prompt.init={same}", f"head.init={same}+task:{target.head}"],
        "everything": [f"prompt.init=artifact:{SOURCES / 'everything'}"],
        "full": ["method=full", "backbone.dtype=float32"],
    }[of["system"]]


def retrieved(of: Cell) -> dict[str, Any]:
    """Run a cell from the source that retrieval finds and return its scores.

    A run that starts from it is, bit for bit, that of the cell which names this source; where there is one it is not
    run again.
    """
    found = retrieve(config(of.key, [f"prompt.init=retrieve:{SOURCES}"]))
    (best,) = found.weights
    names = {"everything": "everything", TARGETS[of.key["target"]].kind: "same kind"}
    twin = of.key | {"system": names.get(Path(best).name)}
    known = [line["scores"] for line in LINES.read() if line["cell"] == twin]
    scores = known[0] if known else train(of.key, [f"prompt.init=artifact:{best}"])
    return scores | {"similarity": {Path(name).name: value for name, value in found.similarity.items()}}


def config(of: dict[str, Any], overrides: list[str]) -> Config:
    target = TARGETS[of["target"]]
    return load(
        name_of(of),
        {of["target"]: target.card},
        [
            f"seed={of['seed']}",
            f"optim.lr={of['lr']}",
            f"data.limit.train={of['rows']}",
            "data.limit.validation=100",
            f"data.limit.test={TEST_ROWS}",
            f"data.batch_size={target.batch_size}",
            f"mixture.steps_per_epoch={target.steps // 2}",
            "trainer.max_epochs=2",
            *overrides,
        ],
    )


def train(of: dict[str, Any], overrides: list[str]) -> dict[str, float]:
    of_run = config(of, overrides)
    results = fit(of_run)
    shutil.rmtree(RUNS / of_run.run.name)  # what counts is returned; a fine-tuned backbone is large
    metric = TARGETS[of["target"]].metric
    scores = {split: results["scores"][split][of["target"]][metric] for split in ("test", "validation")}
    return scores | {"minutes": results["wall_seconds"] / 60}


def report() -> None:
    """Write the table and the figure of the finished cells.

    over scratch: in points of 1, between runs with the same rows. found its kind: how often retrieval began from there.
    """
    final = [line for line in LINES.read() if line["cell"]["seed"] != SEARCH_SEED]
    draws = {draw_of(line): line["scores"]["test"] for line in final if line["cell"]["system"] == "scratch"}
    for line in final:
        if line["cell"]["system"] != "scratch" and draw_of(line) in draws:
            line["scores"]["over scratch"] = line["scores"]["test"] - draws[draw_of(line)]
        if similarity := line["scores"].get("similarity"):
            found = max(similarity, key=similarity.get)
            line["scores"]["found its kind"] = float(found == TARGETS[line["cell"]["target"]].kind)
    if final:
        draw(panels(final), SYSTEMS, FOLDER / "figure.svg", "test score", len(TARGETS), salt="transfer")
    write_table(
        FOLDER,
        "Transfer of pretrained prompts",
        "python -m experiments.transfer.study",
        ["target", "rows", "system"],
        ["test", "over scratch", "found its kind"],
        final,
    )


def panels(lines: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Sort the test scores by target and number of rows, then by system: a panel of the figure each."""
    pairs = product(
        sorted({line["cell"]["rows"] for line in lines}), sorted({line["cell"]["target"] for line in lines})
    )
    made: dict[str, dict[str, list[float]]] = {f"{target}, {rows} rows": {} for rows, target in pairs}
    for line in lines:
        panel = made[f"{line['cell']['target']}, {line['cell']['rows']} rows"]
        panel.setdefault(line["cell"]["system"], []).append(line["scores"]["test"])
    return made


def draw_of(line: dict[str, Any]) -> tuple[str, int, int]:
    return line["cell"]["target"], line["cell"]["rows"], line["cell"]["seed"]


if __name__ == "__main__":
    main()
