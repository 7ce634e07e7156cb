"""How long does `ptv2.load(...).predict` take for one row, beside the bare backbone?

The bare backbone tokenises the text and runs transformers' own model on it; calls take turns. Times are of the process
that computes, so that a busy machine does not count.

Run: python -m experiments.serving.latency, which writes latency.json here
"""

import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

import ptv2
from experiments.serving.artifacts import BACKBONE, make
from experiments.serving.clients import row
from ptv2.backbone import demo, quiet_transformers
from ptv2.backbone.load import load_tokenizer
from ptv2.config.schema import BackboneConfig
from ptv2.runtime.environment import environment

FILE, RUNS = Path(__file__).with_name("latency.json"), Path("runs") / "latency"
WORDS, CALLS = (4, 16, 64), 40


def bare() -> Callable[[str], Any]:
    tokenizer = load_tokenizer(BackboneConfig(BACKBONE))
    model = AutoModel.from_pretrained(demo.model_folder(BACKBONE.removeprefix("demo:"))).eval()

    @torch.no_grad()
    def call(text: str) -> Any:
        return model(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt")).last_hidden_state

    return call


def milliseconds(calls: dict[str, Callable[[str], Any]], texts: list[str]) -> dict[str, float]:
    """Return the median of each over all texts."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for text in texts:
        for name in random.Random(text).sample(list(calls), len(calls)):
            began = time.process_time()
            calls[name](text)
            took[name].append(1000 * (time.process_time() - began))
    return {name: round(statistics.median(times), 2) for name, times in took.items()}


def measure() -> list[dict[str, Any]]:
    make(RUNS, 8)
    predictor = ptv2.load(RUNS / "task-0004")  # 16 positions in all layers
    calls = {"bare": bare(), "predict": lambda text: predictor.predict([{"text": text}])}
    draw, found = random.Random(0), []
    vocabulary = " ".join(row(draw)["text"] for _ in range(100)).split()
    for words in WORDS:
        texts = [" ".join(draw.choices(vocabulary, k=words)) for _ in range(CALLS)]
        milliseconds(calls, texts[:3])
        took = milliseconds(calls, texts)
        found.append({"words": words, **took, "ratio": round(took["predict"] / took["bare"], 2)})
    return found


def main() -> None:
    quiet_transformers()
    torch.set_num_threads(1)
    written = {"environment": environment() | {"threads": 1, "load": round(os.getloadavg()[0], 1)}, "ms": measure()}
    FILE.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(written["ms"], indent=1))


if __name__ == "__main__":
    main()
