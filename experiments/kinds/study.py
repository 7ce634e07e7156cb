"""Does every kind of task that an encoder can read learn? Deep prompts on MiniLM-L6 against the trivial baseline.

Run: PTV2_DATA=<folder of data sets> python -m experiments.kinds.study
"""

import os
from pathlib import Path

from experiments.study import Cell, run_cells, write_table
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.load import load_config
from ptv2.train.fit import fit

FOLDER = Path(__file__).parent
SEEDS = (1, 2, 3)
TASKS = {  # card: folder in PTV2_DATA and what differs from config.yaml
    "classification/trec": ("trec", ["data.limit.train=1000", "trainer.max_epochs=5", "task.max_length=48"]),
    "glue/mrpc": ("mrpc", ["data.limit.train=1000", "trainer.max_epochs=5", "task.max_length=96"]),
    "sentiment/hutto_movie": ("hutto_movie", ["data.limit.train=1000", "trainer.max_epochs=5", "task.max_length=64"]),
    "ner/conll2004": ("conll2004", ["trainer.max_epochs=10", "task.max_length=80"]),
    "srl/propbank_ewt": ("propbank_ewt_srl", ["data.limit.train=1000", "trainer.max_epochs=8", "task.max_length=64"]),
    "qa/squad": (
        "squad",
        ["data.limit.train=1000", "trainer.max_epochs=5", "task.max_length=192", "task.options.stride=64"],
    ),
    "choice/arc_easy": ("arc_easy", ["data.limit.train=800", "trainer.max_epochs=5", "task.max_length=64"]),
}
EVAL_ROWS = 300  # of validation and test, drawn with the seed


def run(cell: Cell) -> dict[str, float]:
    folder, overrides = TASKS[cell["task"]]
    data = Path(os.environ["PTV2_DATA"]) / folder
    config = load_config(
        FOLDER / "config.yaml",
        [
            f"task={cell['task']}",
            f"task.dataset.path={data}",
            f"seed={cell['seed']}",
            f"run.name={cell['task'].replace('/', '-')}-{cell['seed']}",
            f"data.limit.validation={EVAL_ROWS}",
            f"data.limit.test={EVAL_ROWS}",
            *overrides,
        ],
    )
    results = fit(config)
    name = next(iter(config.tasks))
    split = "test" if "test" in results["scores"] else "validation"
    metric = config.tasks[name].metrics[0]
    score = results["scores"][split][name][metric]
    trivial = results["baseline"][name][split][metric]
    return {
        "score": score,
        "trivial baseline": trivial,
        "gain": score - trivial,
        "minutes": results["wall_seconds"] / 60,
    }


def main() -> None:
    quiet_transformers()
    quiet()
    cells = [{"task": task, "seed": seed} for seed in SEEDS for task in TASKS]
    run_cells(FOLDER, cells, run)
    write_table(
        FOLDER,
        "Every encoder kind against its trivial baseline",
        "python -m experiments.kinds.study",
        ["task"],
        ["score", "trivial baseline", "gain", "minutes"],
    )


if __name__ == "__main__":
    main()
