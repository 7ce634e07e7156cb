"""An artifact's head scored on other data of its kind."""

from dataclasses import dataclass
from typing import Any

from ptv2.artifact.artifact import Artifact
from ptv2.data.loaders import Loaders
from ptv2.data.taskdata import TaskData
from ptv2.metrics.table import score
from ptv2.model.collect import collect
from ptv2.model.prompted import PromptedModel


@dataclass(frozen=True)
class Scored:
    """Scores of a split, and of which rows they are.

    Args:
        task: name of the card.
        split: of the card.
        about: the rows: how many of how many, bad ones, and what was cut; see `TaskData.about`.
        scores: by metric.
        intervals: the 95 % interval of each over resampled rows.
        baseline: scores of the trivial answer, where the artifact's run was scored on the same rows.
        baseline_answer: what the trivial answer is; None where its scores are not known.
    """

    task: str
    split: str
    about: dict[str, Any]
    scores: dict[str, float]
    intervals: dict[str, list[float] | None]
    baseline: dict[str, float]
    baseline_answer: str | None


def scored(artifact: Artifact, module: PromptedModel, data: Loaders, name: str, split: str, device: str) -> Scored:
    """Score the head of the task `name` on a split of that task's data.

    Args:
        artifact: that was loaded.
        module: of the artifact.
        data: of all its tasks, the one to score with other rows.
        name: of the task.
        split: of its data.
        device: to compute on.

    Raises:
        UserError: texts that are too long, or rows that cannot be used.
    """
    given, generates = data.tasks[name], module.head(name).reads == "logits"
    length = module.method.positions()
    module.backbone.check_length(given.features.longest(), length, where=f"tasks.{name}.max_length")
    own = module.tasks[name]
    module.tasks[name] = given
    if generates:
        module.set_generation(name, given)
    try:
        made = given.scored(split, collect(module, data.eval_dataloader(name, split), device, split)[name])
    finally:
        module.tasks[name] = own
        if generates:
            module.set_generation(name, own)
    scores, baseline = score(given.card.metrics, made), _baseline(artifact, name, given, split)
    answer = artifact.about.get("results", {}).get("baseline_answer", {}).get(name) if baseline else None
    return Scored(given.card.name, split, given.about(split), scores, given.intervals(made), baseline, answer)


def _baseline(artifact: Artifact, name: str, data: TaskData, split: str) -> dict[str, float]:
    """Return what the artifact's run found for the trivial answer, if it was scored on the same rows."""
    results = artifact.about.get("results", {})
    about = results.get("data", {}).get(name, {}).get(split, {})
    same = results.get("rows", {}).get(name, {}).get(split) == data.sources.get(split, "")
    whole = about.get("rows", 0) + about.get("bad", 0) == about.get("of")  # no limit took rows, of the run or of this
    used = len(data.rows[split].data) == about.get("rows")
    return results["baseline"][name].get(split, {}) if same and whole and used else {}
