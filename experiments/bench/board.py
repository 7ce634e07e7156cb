"""What does the board cost? Its parts beside training steps of the quickstart, in one process and in turn.

Processor time, so that other work on the machine counts little. A quickstart run has 100 steps and 4 validations, so
all views are drawn twice and the projector once; its validations are not counted, so the ratio is an upper bound. In a
longer run the same views are a smaller share.

Run: python -m experiments.bench.board
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from lightning.fabric.utilities import move_data_to_device

from ptv2.backbone import quiet_transformers
from ptv2.config.load import load_config
from ptv2.model.build import build
from ptv2.model.collect import collect
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text
from ptv2.runtime.quiet import quiet
from ptv2.train.board.layers import LayerCurves
from ptv2.train.board.tensorboard import Board
from ptv2.train.board.views import Views

FILE = Path(__file__).parent / "board" / "results.json"
PAIRS, STEPS, VALIDATIONS, DRAWN = 5, 100, 4, 2
ROWS = "data.limit={train: 64, validation: 100, test: 8}"


def seconds(block: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    began = time.process_time()
    block()
    return time.process_time() - began


def main() -> None:
    """Measure, print and write the ratios."""
    quiet()
    quiet_transformers()
    torch.set_num_threads(1)
    parts = build(load_config("configs/quickstart.yaml", [ROWS]))
    module = parts.module
    module.log = lambda *_, **__: None
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-3)
    batch = move_data_to_device(next(iter(parts.data.train_dataloader())), module.device)
    collect(module, parts.data.eval_dataloader("bbc_topic", "validation"), module.device)  # answers to be shown
    outputs = dict(module.outputs)

    def step() -> None:
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()

    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        board, views, layers = Board(Path(folder)), Views(module.config.board), LayerCurves()
        views.config.every = 1
        trainer = SimpleNamespace(loggers=[board], callbacks=[], sanity_checking=False, is_global_zero=True)
        layers.on_train_start(trainer, module)
        for trainer.global_step in range(PAIRS + 1):  # the first is warm-up
            module.train()
            training = STEPS * statistics.mean(seconds(step) for _ in range(2))
            module.outputs.update(outputs)
            norms = STEPS * seconds(lambda: layers.on_before_optimizer_step(trainer, module, optimizer))
            curves = VALIDATIONS * seconds(lambda: layers.on_validation_end(trainer, module))
            drawing = DRAWN * seconds(lambda: views.on_validation_end(trainer, module))
            end = seconds(lambda: views.on_train_end(trainer, module))
            made = {"training": training, "layers": norms + curves, "drawing": drawing, "end": end}
            pairs.append({name: round(value, 3) for name, value in made.items()})
            print(pairs[-1], flush=True)
    pairs = pairs[1:]
    ratios = [round(1 + (pair["layers"] + pair["drawing"] + pair["end"]) / pair["training"], 4) for pair in pairs]
    results = {
        "what": "processor seconds of a quickstart run: 100 training steps, and what all views add to them",
        "median_ratio": statistics.median(ratios),
        "ratios": ratios,
        "pairs": pairs,
        "environment": environment(),
    }
    FILE.parent.mkdir(exist_ok=True)
    write_text(FILE, json.dumps(results, indent=2) + "\n")
    print(f"all views / none: {results['median_ratio']} (median of {PAIRS})")


if __name__ == "__main__":
    main()
