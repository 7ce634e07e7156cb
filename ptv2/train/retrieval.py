"""Which earlier prompts suit a new task: how alike prompts are, and a start made of the most similar.

SPoT (Vu et al. 2022, section 4): a new task starts from the prompt of the most similar task, or from the mean of the
top k weighted by similarity. There, two tasks are alike where their prompts, averaged over positions, point the same
way; but prompts that are drawn with one seed do so from the start. Here a prompt is similar to a task as far as it
helps the task's head to learn, see `probe.py`, and two prompts where they change the backbone's states alike, see
`changes.py`.

Shapes: P prompt positions, F vector width, N prompts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ptv2.artifact.artifact import Artifact
from ptv2.artifact.files import read_artifact
from ptv2.config.schema import Config
from ptv2.data.taskdata import TaskData
from ptv2.errors import UserError
from ptv2.methods import at_the_input, method_of, methods_named
from ptv2.model.library import prompts_in
from ptv2.model.load import artifact_config, load_artifact_backbone
from ptv2.runtime.progress import Progress
from ptv2.train.changes import Meter
from ptv2.train.folder import RunFolder
from ptv2.train.probe import Probe


@dataclass
class Source:
    """A prompt of an artifact: the one that its tasks share, or one task's own."""

    name: str
    vectors_PF: list[Tensor]
    artifact: Artifact
    tasks: list[str]

    def repeats(self, task: TaskData) -> bool:
        """Tell whether it was trained on the rows of this task alone."""
        rows = self.artifact.about["results"].get("rows", {})
        cards = self.artifact.tasks
        return all(
            cards[name].get("name") == task.card.name and rows.get(name, {}).get("train") == task.sources.get("train")
            for name in self.tasks
        )


@dataclass
class Ranked:
    """The prompts that a new task can start from, the most similar first, and those of the task itself."""

    sources: list[Source]
    similarity: list[float]
    repeats: list[str]
    features: int  # of the task's training rows, that were read with each


@dataclass
class Retrieved:
    """What a new task starts from."""

    vectors_PF: list[Tensor]
    similarity: dict[str, float]  # of every source, the most similar first
    weights: dict[str, float]  # of those that the start is made of
    left_out: list[str]  # runs of the same task and rows

    def __str__(self) -> str:
        """Say what was chosen, what came next, and what was left out."""
        scored = [f"{name} (similarity {value:.3f})" for name, value in self.similarity.items()]
        said = f"the prompt starts from {' and '.join(scored[: len(self.weights)])}"
        said += "" if max(self.similarity.values()) > 0 else ", though none is better than an untrained one"
        said += f"; next: {scored[len(self.weights)]}" if len(scored) > len(self.weights) else "; nothing else fits"
        return said + (f"; of the same task and rows: {', '.join(self.left_out)}" if self.left_out else "")


def sources(artifact: Artifact) -> list[Source]:
    """List the prompts in an artifact.

    Raises:
        UserError: it has none.
    """
    methods = methods_named(artifact.about["method"], artifact.path)
    if not any(method.has_prompts for method in methods.values()):
        raise UserError(f"method '{artifact.about['method']}' has no prompt", where=artifact.path, do="leave it out")
    artifact = artifact.part(next(name for name, method in methods.items() if method.has_prompts))
    folder = artifact.path.parent if artifact.path.name == "prompt" else artifact.path
    if artifact.sharing == "shared":
        return [Source(str(folder), artifact.prompt_vectors(), artifact, list(artifact.tasks))]
    return [Source(f"{folder}+task:{task}", artifact.prompt_vectors(task), artifact, [task]) for task in artifact.tasks]


def library(folder: str | Path, own: Path | None = None) -> list[Artifact]:
    """Read every artifact with a prompt below a folder, except those of the run folder `own`.

    Raises:
        UserError: there is none.
    """
    if not str(folder):
        raise UserError("no folder is named", where="prompt.init", do="write retrieve:<folder of runs>")
    found = [read_artifact(path) for path in prompts_in(Path(folder), own)]
    if not found:
        raise UserError("holds no artifacts with a prompt", where=folder, do="give a folder of runs")
    return found


def likenesses(sources: Sequence[Source], imports: Sequence[str] = ()) -> list[list[float]]:
    """Compute how alike N prompts of one backbone are, every two of them.

    With itself, a prompt has the square of the share of its change that is not chance.

    Raises:
        UserError: the backbone cannot be loaded.
    """
    first = sources[0].artifact
    backbone = load_artifact_backbone(first, artifact_config(first, imports=imports))
    meters: dict[int, Meter] = {}
    changes = []
    with Progress("comparing", len(sources), "prompts") as progress:
        for source in sources:
            if id(source.artifact) not in meters:
                meters[id(source.artifact)] = Meter(artifact_config(source.artifact, imports=imports), backbone)
            changes.append(meters[id(source.artifact)].of(source.vectors_PF))
            progress.add(1)
    return [[one.likeness(other) for other in changes] for one in changes]


def check_alone(config: Config) -> None:
    """Refuse a config for which no prompt can be retrieved.

    Raises:
        UserError: several tasks, or a method without a prompt or with several.
    """
    method_of(config)  # refuses what it cannot run
    prompted = [name for name, method in methods_named(config.method).items() if method.has_prompts]
    if len(config.tasks) > 1 or len(prompted) != 1:
        what = f"{len(config.tasks)} tasks, method '{config.method_name}'"
        raise UserError(what, where="prompt.init", do="retrieve a prompt for one task, with method=deep")


def rank(config: Config, artifacts: Sequence[Artifact]) -> Ranked:
    """Rank the artifacts' prompts that fit the config by their similarity to its task.

    Raises:
        UserError: several tasks or no prompt in the config, nothing fits, or a loss that is no number.
    """
    check_alone(config)
    probe = Probe(config)
    found = [source for artifact in artifacts for source in sources(artifact)]
    fitting = [
        source
        for source in found
        if at_the_input(source.artifact) == probe.prompt.at_the_input
        and probe.prompt.misfit(source.artifact, source.vectors_PF) is None
        and source.artifact.of_backbone(probe.backbone)
    ]
    repeats = [source.name for source in fitting if source.repeats(probe.task)]
    fitting = [source for source in fitting if source.name not in repeats]
    if not fitting:
        if repeats:
            what, do = "the only prompts that fit are runs of this task on these rows", "give a folder with other runs"
        else:
            what = "no artifact has a prompt of this shape for this backbone"
            do = "give prompt.length, prompt.layers, prompt.form and backbone their values"
        raise UserError(what, where="prompt.init", do=do)
    similar = []
    with Progress("probing", len(fitting), "prompts") as progress:
        for source in fitting:
            similar.append(probe.similarity(source.vectors_PF))
            if not math.isfinite(similar[-1]):
                what, do = "with its prompt the loss is non-finite", "move it out of the folder"
                raise UserError(what, where=source.name, do=do)
            progress.add(1)
    order = sorted(range(len(fitting)), key=lambda i: -similar[i])
    return Ranked([fitting[i] for i in order], [similar[i] for i in order], repeats, probe.features)


def retrieve(config: Config) -> Retrieved:
    """Make the start that `prompt.init: retrieve:<folder>` asks for.

    Raises:
        UserError: see `rank` and `library`.
    """
    check_alone(config)
    folder = config.prompt.start.folder
    assert folder is not None  # of retrieve:<folder>
    ranked = rank(config, library(folder, RunFolder(config).path))
    pairs = list(zip(ranked.sources, ranked.similarity, strict=True))
    best = [pair for pair in pairs[: config.prompt.retrieve.top] if pair[1] > 0]
    best = best or pairs[:1]  # none helps: the nearest one alone
    total = sum(similarity for _, similarity in best)
    weights = [similarity / total for _, similarity in best] if len(best) > 1 else [1.0]
    layers = zip(*(source.vectors_PF for source, _ in best), strict=True)
    zero = torch.zeros(())
    vectors_PF = [sum((w * v for w, v in zip(weights, layer, strict=True)), zero) for layer in layers]
    return Retrieved(
        vectors_PF,
        {source.name: similarity for source, similarity in pairs},
        {source.name: weight for (source, _), weight in zip(best, weights, strict=True)},
        ranked.repeats,
    )
