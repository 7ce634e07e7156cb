"""A thousand artifacts of MiniLM-L6: prompts of 4 to 32 positions in all or the top three layers, 100 different cards.

Their numbers are drawn, not trained: what they cost does not depend on what they say.
"""

from pathlib import Path
from typing import Any

import torch

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import write_artifact
from ptv2.backbone import load_backbone
from ptv2.config.load import make_config
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.model.artifact_of import artifact_of
from ptv2.model.module import PromptModule
from ptv2.rows.labels import Labels

COUNT, CARDS = 1000, 100
SHAPES = [(length, layers) for length in (4, 8, 16, 32) for layers in ("all", "top:3")]
BACKBONE = "demo:minilm-l6"


def config_of(shape: tuple[int, Any], card: int) -> Config:
    task = {
        "name": "served/text",
        "kind": "cls",
        "dataset": {"path": "json"},
        "inputs": {"text": "text"},
        "labels": [f"{name} {card}" for name in ("first", "second", "third")],
        "metrics": ["accuracy"],
        "max_length": 64,
    }
    return make_config(
        {
            "tasks": {"text": task},
            "preset": "official",
            "backbone": {"name": BACKBONE},
            "prompt": {"length": shape[0], "layers": shape[1]},
            "head": {"pooling": "mean"},
            "run": {"name": "served"},
        }
    )


def make(folder: Path, count: int = COUNT) -> None:
    """Write the artifacts that are not there yet."""
    if len(list(folder.glob("*/artifact.json"))) == count:
        return
    backbone, of_shape = load_backbone(config_of(SHAPES[0], 0).backbone, casts=True), {}
    for shape in SHAPES:
        config = config_of(shape, 0)
        labels = Labels(config.tasks["text"].labels or [], "card")
        data = TaskData(config.tasks["text"], backbone.tokenizer, labels=labels, splits=(), labelled=False)
        of_shape[shape] = artifact_of(PromptModule(config, backbone, {"text": data}), {}, folder)
    for number in range(count):
        write_artifact(drawn(of_shape[SHAPES[number % len(SHAPES)]], number), folder / f"task-{number:04}")


def drawn(like: Artifact, number: int) -> Artifact:
    """Return an artifact of the same shape with numbers and label names of its own."""
    generator = torch.Generator().manual_seed(number)
    weights = {
        name: torch.randn(tensor.shape, generator=generator) * 0.3 if not name.startswith("backbone.") else tensor
        for name, tensor in like.weights.items()
    }
    labels = [f"{name} {number % CARDS}" for name in ("first", "second", "third")]
    task = like.config["tasks"]["text"] | {"labels": labels}
    config = like.config | {"tasks": {"text": task}}
    return Artifact(like.path, like.about | {"config": config, "labels": {"text": labels}}, weights)
