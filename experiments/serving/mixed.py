"""One pass for rows of several artifacts, beside PEFT's LoRA mixed batches on the same backbone, without HTTP."""

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModel

from experiments.serving.artifacts import BACKBONE
from experiments.serving.clients import row
from ptv2.backbone import demo
from ptv2.rows.asked import of_python
from ptv2.service.folder import ArtifactFolder
from ptv2.service.jobs import read_job
from ptv2.service.passes import run
from ptv2.service.residents import Resident, Residents

ROWS, DIFFERENT, REPEATS = 32, (1, 10, 32), 5


def rates(folder: Path) -> dict[str, dict[int, float]]:
    """Return rows per second of 32 rows of so many different tasks: prompts here, LoRA in PEFT."""
    draw = random.Random(0)
    texts = [row(draw) for _ in range(ROWS)]
    held = ArtifactFolder(folder)
    first, _ = held.read("task-0000")
    residents = Residents(first)
    joined = []
    for number in range(max(DIFFERENT)):
        artifact, version = held.read(f"task-{number:04}")
        joined.append(residents.join(Resident(artifact.path.name, version, artifact)))

    def prompts(different: int) -> Callable[[], object]:
        jobs = [read_job(joined[i % different], of_python([texts[i]]), None, False, 10_000) for i in range(ROWS)]
        taken = [(job, job.pieces[0]) for job in jobs]
        return lambda: run(residents, taken)

    return {
        "deep prompts, ptv2": {n: rate(prompts(n)) for n in DIFFERENT},
        "LoRA r=8 on query and value, PEFT": lora(residents, texts),
    }


def lora(residents: Residents, texts: list[dict[str, str]]) -> dict[int, float]:
    from peft import LoraConfig, get_peft_model

    model = AutoModel.from_pretrained(demo.model_folder(BACKBONE.removeprefix("demo:")))
    config = LoraConfig(r=8, target_modules=["query", "value"])
    wrapped = get_peft_model(model, config, adapter_name="task-0")
    for number in range(1, max(DIFFERENT)):
        wrapped.add_adapter(f"task-{number}", config)
    wrapped.eval()
    batch = residents.tokenizer([one["text"] for one in texts], padding=True, return_tensors="pt")

    def passed(different: int) -> Callable[[], object]:
        names = [f"task-{i % different}" for i in range(ROWS)]
        return lambda: wrapped(**batch, adapter_names=names)

    with torch.no_grad():
        return {n: rate(passed(n)) for n in DIFFERENT}


def rate(what: Callable[[], object]) -> float:
    """Return rows per second of the median of a few passes."""
    what()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        what()
        times.append(time.perf_counter() - started)
    return ROWS / statistics.median(times)
