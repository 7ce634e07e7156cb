"""What does the board cost? The same short run with all views and without any, in one process and in turn.

Processor time from the first step to the end of training, so that other work on the machine counts little. The run is
shorter than any that one would look at (40 steps, 4 validations), and the views of the first and last validation cost
the same in a long one: its share is an upper bound.

Run: python -m experiments.bench.board
"""

import json
import statistics
import tempfile
import time
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from ptv2.backbone import quiet_transformers
from ptv2.config.load import load_config
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text
from ptv2.runtime.quiet import quiet
from ptv2.train.fit import fit

FILE = Path(__file__).parent / "board" / "results.json"
PAIRS = 5
RUN = ["data.limit={train: 320, validation: 100, test: 8}", "task.max_length=64", "trainer.enable_progress_bar=false"]


class Clock(Callback):
    """Take the processor time of the training, validations and what happens at its end included."""

    def __init__(self) -> None:
        self.seconds, self.steps = 0.0, 0

    def on_train_start(self, trainer, module):
        self.seconds = -time.process_time()

    def on_train_end(self, trainer, module):
        self.seconds += time.process_time()
        self.steps = trainer.global_step


def seconds(views: str, folder: str, name: str) -> float:
    """Return how much processor time a run takes."""
    clock = Clock()
    more = [f"board.views={views}"] if views else []
    fit(load_config("configs/quickstart.yaml", [*RUN, *more, f"run.folder={folder}", f"run.name={name}"]), [clock])
    return clock.seconds


def main() -> None:
    """Measure, print and write the ratios."""
    quiet()
    quiet_transformers()
    torch.set_num_threads(1)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        seconds("", folder, "warm")
        for i in range(PAIRS):
            order = ["", "[]"] if i % 2 == 0 else ["[]", ""]
            taken = {views: seconds(views, folder, f"{i}{'-off' * bool(views)}") for views in order}
            pairs.append({"on": round(taken[""], 2), "off": round(taken["[]"], 2)})
            print(f"pair {i}: {pairs[-1]}", flush=True)
    ratios = [round(pair["on"] / pair["off"], 4) for pair in pairs]
    results = {
        "what": "processor seconds of a quickstart run of 40 steps (64 tokens, 4 validations): all views, none",
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
