"""Is the right source found among decoys? Retrieval over all draws of the study.

The candidates of a draw are the four sources and five decoys: prompts of other tasks, trained for a few steps from the
very start that a run of this draw would have, because they have its seed. What a prompt trained briefly on the target
looks like, or changes in the backbone's states, is like the decoys. Found is the source of the target's kind. How the
similarity is measured was chosen on the draws of 64 rows and seed 1; the others were not looked at before.

Run: PTV2_DATA=<folder of data sets> python -m experiments.transfer.found [TARGET ...]
"""

from itertools import product
from pathlib import Path
from typing import Any

from experiments.transfer.pretrain import MIXTURES, SOURCES
from experiments.transfer.runs import FOLDER, RUNS, load
from experiments.transfer.study import SEEDS, TARGETS, best_rate, config
from ptv2.artifact.files import read_artifact
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table
from ptv2.train.fit import fit
from ptv2.train.retrieval import rank

OUT = FOLDER / "found"
DECOYS: dict[str, dict[str, Any]] = {
    "trec": {"card": "classification/trec", "max_length": 32},
    "ag_news": {"card": "classification/ag_news", "max_length": 48},
    "cola": {"card": "glue/cola", "max_length": 32},
    "mrpc": {"card": "glue/mrpc", "max_length": 64},
    "wic": {"card": "superglue/wic", "max_length": 48},
}
STEPS = 50
EXACT = "backbone.dtype=float32"  # the study's bfloat16 takes several times as long on processors that emulate it


def decoy(name: str, seed: int) -> Path:
    """Train a decoy, unless it is there, and return its run folder."""
    run = f"decoy-{name}-{seed}"
    fit(
        load(
            run,
            {name: DECOYS[name]},
            [
                EXACT,
                f"seed={seed}",
                "optim.lr=0.01",
                "data.limit.train=1000",
                "data.limit.validation=50",
                "data.limit.test=50",
                f"mixture.steps_per_epoch={STEPS}",
                "trainer.max_epochs=1",
            ],
        )
    )
    return RUNS / run


def search(of: Cell) -> dict[str, Any]:
    """Rank the sources and decoys of a draw."""
    target, seed = of.key["target"], of.key["seed"]
    candidates = [SOURCES / mixture for mixture in MIXTURES] + [decoy(name, seed) for name in DECOYS]
    draw = of.key | {"system": "retrieved", "lr": best_rate(target, "same kind")}
    ranked = rank(config(draw, [EXACT]), [read_artifact(path) for path in candidates])
    names = [Path(source.name).name for source in ranked.sources]
    return {
        "found its kind": float(names[0] == TARGETS[target].kind),
        "similarity": dict(zip(names, ranked.similarity, strict=True)),
        "lead": ranked.similarity[0] - ranked.similarity[1],
    }


def main() -> None:
    quiet_transformers()
    quiet()
    asked = options()
    targets = [word for word in asked.rest if word in TARGETS] or list(TARGETS)
    if not asked.table:
        keys = [
            {"target": target, "rows": rows, "seed": seed}
            for rows, seeds in SEEDS.items()
            for seed, target in product(seeds, targets)
        ]
        cells = [Cell(key, RUNS / "found" / "-".join(map(str, key.values())), search) for key in keys]
        finish(Lines(OUT / "results.jsonl"), cells, asked.jobs)
    write_table(
        OUT,
        "Is the source of the target's kind found among the sources and five decoys?",
        "python -m experiments.transfer.found",
        ["target", "rows"],
        ["found its kind", "lead"],
    )


if __name__ == "__main__":
    main()
