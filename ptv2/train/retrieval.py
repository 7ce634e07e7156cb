"""Which earlier prompts suit a new task: cosine similarity between prompts, and a start made of the nearest.

SPoT (Vu et al. 2022, section 4): two tasks are alike where their prompts, averaged over positions, point the same way;
a new task starts from the prompt of the most similar one, or from the mean of the top k weighted by similarity. Here
the prompt has layers, so the cosine is taken in each and averaged.

Shapes: P prompt positions, F vector width, N prompts, L prompted layers.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import lightning as L
import torch
import torch.nn.functional as F
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact
from ptv2.config.names import parse_methods
from ptv2.config.schema import Config
from ptv2.errors import UserError
from ptv2.methods import METHODS, Method, method_named, method_of
from ptv2.methods.vectors import VectorMethod
from ptv2.model.build import build
from ptv2.model.module import PromptModule
from ptv2.train.folder import RunFolder


@dataclass
class Source:
    """A prompt of an artifact: the one that its tasks share, or one task's own."""

    name: str
    vectors_PF: list[Tensor]
    artifact: Artifact


@dataclass
class Retrieved:
    """What a new task starts from."""

    vectors_PF: list[Tensor]
    similarity: dict[str, float]  # of every source, the most similar first
    weights: dict[str, float]  # of those that the start is made of


def sources(artifact: Artifact) -> list[Source]:
    """List the prompts in an artifact.

    Raises:
        UserError: it has none.
    """
    if not method_named(artifact.about["method"], artifact.path).has_prompts:
        raise UserError(f"method '{artifact.about['method']}' has no prompt", where=artifact.path, do="leave it out")
    artifact = artifact.part("deep")
    folder = artifact.path.parent if artifact.path.name == "prompt" else artifact.path
    if artifact.sharing == "shared":
        return [Source(str(folder), artifact.prompt_vectors(), artifact)]
    return [Source(f"{folder}+task:{task}", artifact.prompt_vectors(task), artifact) for task in artifact.tasks]


def library(folder: str | Path, own: Path | None = None) -> list[Artifact]:
    """Read every artifact with a prompt below a folder, except those of the run folder `own`.

    Raises:
        UserError: there is none.
    """
    if not str(folder):
        raise UserError("no folder is named", where="prompt.init", do="write retrieve:<folder of runs>")
    paths = [path.parent for path in sorted(Path(folder).rglob("artifact.json")) if own not in path.parents]
    found = [read_artifact(path) for path in paths if _has_prompt(path)]
    if not found:
        raise UserError("holds no artifacts with a prompt", where=folder, do="give a folder of runs")
    return found


def _has_prompt(path: Path) -> bool:
    """Tell whether an artifact has a prompt, without reading the weights, which may be a whole model."""
    with suppress(OSError, ValueError, UserError):
        about = json.loads((path / "artifact.json").read_text(encoding="utf-8"))
        return any(METHODS.get(name, Method).has_prompts for name in parse_methods(about.get("method")))
    return True  # reading it says what is wrong


def cosines(prompts: Sequence[Sequence[Tensor]]) -> Tensor:
    """Compute the cosine similarity [L, N, N] between N prompts, each averaged over its positions, in every layer.

    Raises:
        UserError: prompts that differ in layers or widths.
    """
    shapes = [[row.shape[1] for row in rows] for rows in prompts]
    if any(shape != shapes[0] for shape in shapes):
        raise UserError("the prompts differ in layers or form", do="compare those of one shape")
    cosines_LNN = []
    for rows in zip(*prompts, strict=True):
        mean_NF = F.normalize(torch.stack([vector_PF.float().mean(0) for vector_PF in rows]), dim=1)
        cosines_LNN.append(mean_NF @ mean_NF.T)
    return torch.stack(cosines_LNN)


def warm_up(config: Config) -> tuple[list[Tensor], PromptModule]:
    """Train a prompt and its module for the config's task: `prompt.retrieve.steps` steps from a random start."""
    config = deepcopy(config)
    config.prompt.init, config.head.init = "normal", None
    config.prompt.sharing, config.prompt.train, config.prompt.gate = "shared", "all", False
    parts = build(config)
    trainer = L.Trainer(
        accelerator=config.trainer.get("accelerator", "auto"),
        devices=1 if not torch.cuda.is_available() else [int(os.environ.get("LOCAL_RANK", 0))],
        plugins=[LightningEnvironment()],  # alone, also where torchrun or SLURM started several ranks: all do the same
        precision=config.trainer.get("precision"),
        max_steps=config.prompt.retrieve.steps,
        gradient_clip_val=config.optim.clip or None,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(parts.module, parts.data)
    vectors_PF = cast(VectorMethod, parts.module.method.prompted).folded()  # see check_alone
    if not all(vector_PF.isfinite().all() for vector_PF in vectors_PF):
        raise UserError("the warm-up produced non-finite values", where="prompt.init", do="lower optim.lr")
    return vectors_PF, parts.module


def check_alone(config: Config) -> None:
    """Refuse a config for which no prompt can be retrieved.

    Raises:
        UserError: several tasks, or a method without a prompt.
    """
    if len(config.tasks) > 1 or not method_of(config).has_prompts:
        what = f"{len(config.tasks)} tasks, method '{config.method_name}'"
        raise UserError(what, where="prompt.init", do="retrieve a prompt for one task, with method=deep")


def rank(config: Config, artifacts: Sequence[Artifact]) -> tuple[list[Source], list[float]]:
    """Rank the artifacts' prompts that fit the config by their similarity to a warmed-up prompt of its task.

    Raises:
        UserError: several tasks or no prompt in the config, or nothing fits.
    """
    check_alone(config)
    warm, module = warm_up(config)
    prompt, fitting = cast(VectorMethod, module.method.prompted), []
    for source in (source for artifact in artifacts for source in sources(artifact)):
        problem = prompt.misfit(source.artifact, source.vectors_PF)
        if problem is None and source.artifact.of_backbone(module.backbone):
            fitting.append(source)
    if not fitting:
        do = "give prompt.length, prompt.layers, prompt.form and backbone their values"
        raise UserError("no artifact has a prompt of this shape for this backbone", where="prompt.init", do=do)
    return fitting, cosines([warm, *(source.vectors_PF for source in fitting)]).mean(0)[0, 1:].tolist()


def retrieve(config: Config) -> Retrieved:
    """Make the start that `prompt.init: retrieve:<folder>` asks for.

    Raises:
        UserError: see `rank` and `library`.
    """
    check_alone(config)
    folder = config.prompt.start.folder
    assert folder is not None  # of retrieve:<folder>
    fitting, similarity = rank(config, library(folder, RunFolder(config).path))
    order = sorted(range(len(fitting)), key=lambda i: -similarity[i])
    best = [i for i in order[: config.prompt.retrieve.top] if similarity[i] > 0]
    best = best or order[:1]  # nothing points the same way: the nearest one alone
    total = sum(similarity[i] for i in best)
    weights = [similarity[i] / total for i in best] if len(best) > 1 else [1.0]
    layers = zip(*(fitting[i].vectors_PF for i in best), strict=True)
    zero = torch.zeros(())
    vectors_PF = [sum((w * v for w, v in zip(weights, layer, strict=True)), zero) for layer in layers]
    return Retrieved(
        vectors_PF,
        {fitting[i].name: similarity[i] for i in order},
        {fitting[i].name: weight for i, weight in zip(best, weights, strict=True)},
    )
