"""The embedded default over several seeds: deep prompts and the linear probe on BBC topics.

Run: python -m experiments.quickstart.study
"""

from pathlib import Path

from experiments.study import Cell, run_cells, write_table
from ptv2.backbone import quiet_transformers
from ptv2.command import quiet
from ptv2.config import load_config
from ptv2.fit import fit

FOLDER = Path(__file__).parent
CONFIG = FOLDER.parents[1] / "configs" / "quickstart.yaml"
SEEDS = (11, 12, 13)


def run(cell: Cell) -> dict[str, float]:
    method, seed = cell["method"], cell["seed"]
    overrides = [f"method={method}", f"seed={seed}", f"run.name={method}-{seed}", "run.folder=runs/quickstart-study"]
    results = fit(load_config(CONFIG, overrides))
    return {
        "test accuracy": results["scores"]["test"]["bbc_topic"]["accuracy"],
        "majority class": results["baseline"]["bbc_topic"]["test"]["accuracy"],
        "minutes": results["wall_seconds"] / 60,
    }


def main() -> None:
    quiet_transformers()
    quiet()
    run_cells(FOLDER, [{"method": method, "seed": seed} for seed in SEEDS for method in ("deep", "head")], run)
    columns = ["test accuracy", "majority class", "minutes"]
    write_table(FOLDER, "The embedded default", "python -m experiments.quickstart.study", ["method"], columns)


if __name__ == "__main__":
    main()
