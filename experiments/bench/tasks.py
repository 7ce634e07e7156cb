"""What do more tasks cost per step? One task against ten, the same batch shape, in one process and in turn.

Run: python -m experiments.bench.tasks
"""

import statistics
import time
from pathlib import Path

import torch
from lightning.fabric.utilities.seed import seed_everything

from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.config.load import make_config
from ptv2.model.build import build
from ptv2.model.module import PromptModule
from ptv2.study.cell import Cell, Lines
from ptv2.study.script import finish, options
from ptv2.study.table import write_table

FOLDER = Path(__file__).parent / "tasks"
RUNS = Path("runs") / "bench-tasks"
MANY, ROWS, TOKENS, PAIRS = 10, 16, 64, 40
CARD = {"card": "demo/bbc_topic", "max_length": TOKENS}


def module_of(tasks: int, sharing: str) -> tuple[PromptModule, list[dict], torch.optim.Optimizer]:
    """Make a run's module, a batch of each task, all of one shape, and the optimizer."""
    config = make_config(
        {
            "tasks": {f"task_{i}": dict(CARD) for i in range(tasks)},
            "preset": "official",
            "backbone": {"name": "demo:minilm-l6", "dropout": 0},
            "prompt": {"sharing": sharing},
            "data": {"batch_size": ROWS, "limit": {"train": ROWS, "validation": 4, "test": 4}, "pad_to_max": True},
            "run": {"name": "bench"},
        }
    )
    parts = build(config)
    optimizer = torch.optim.AdamW([p for p in parts.module.parameters() if p.requires_grad], lr=1e-3)
    return parts.module, list(parts.data.train_dataloader()), optimizer


def seconds(made: tuple, step: int) -> float:
    module, batches, optimizer = made
    batch = batches[step % len(batches)]
    started = time.perf_counter()
    module.training_step(batch, step).backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.perf_counter() - started


def run(of: Cell) -> dict[str, float]:
    seed_everything(of.key["seed"], verbose=False)
    one, many = module_of(1, of.key["sharing"]), module_of(MANY, of.key["sharing"])
    for step in range(5):
        seconds(one, step), seconds(many, step)
    pairs = [(seconds(one, step), seconds(many, step)) for step in range(PAIRS)]
    trained = [sum(p.numel() for p in made[0].parameters() if p.requires_grad) for made in (one, many)]
    heads = [sum(p.numel() for p in made[0].heads.parameters()) for made in (one, many)]
    return {
        "time ratio": statistics.median(many / one for one, many in pairs),
        "ms per step, one task": 1000 * statistics.median(one for one, _ in pairs),
        "more numbers": trained[1] - trained[0],
        "of them in heads": heads[1] - heads[0],
    }


def main() -> None:
    quiet_transformers()
    quiet()
    FOLDER.mkdir(exist_ok=True)
    asked = options()
    if not asked.table:
        keys = [{"sharing": sharing, "seed": seed} for seed in (1, 2, 3) for sharing in ("shared", "task")]
        cells = [Cell(key, RUNS / f"{key['sharing']}-{key['seed']}", run) for key in keys]
        finish(Lines(FOLDER / "results.jsonl"), cells)  # one at a time: they measure time
    columns = ["time ratio", "ms per step, one task", "more numbers", "of them in heads"]
    title = f"{MANY} tasks against one, {ROWS} rows of {TOKENS} tokens"
    write_table(FOLDER, title, "python -m experiments.bench.tasks", ["sharing"], columns)


if __name__ == "__main__":
    main()
