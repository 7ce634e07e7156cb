"""An artifact's README, which is its model card on the hub."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ptv2.config.local import LOCAL_FORMATS

if TYPE_CHECKING:  # tables use it before torch is needed
    from torch import Tensor


def readable_card(
    about: dict[str, Any],
    weights: dict[str, "Tensor"],
    place: str = "<this folder>",
    licence: str | None = None,
    config_file: str | None = None,
    absent: Collection[str] = (),
) -> str:
    """Write a page that tells a reader what the artifact is and how to use it.

    Args:
        about: the artifact's description.
        weights: its tensors.
        place: of the artifact, as commands name it.
        licence: the hub's name of it; None: it is not stated.
        config_file: beside the page, of the run that made it.
        absent: see `metadata`.
    """
    config, made = about["config"], about["backbone"]
    size = sum(tensor.numel() for tensor in weights.values())
    lines = [
        "---",
        yaml.safe_dump(metadata(about, licence, absent), sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {config['run']['name']}",
        "",
        f"Method `{about['method']}` on the frozen backbone `{made['name']}` (family {made['family']}), "
        f"{size:,} numbers in float32.",
        "",
        "| task | kind | labels |",
        "|---|---|---|",
    ]
    for name, card in config["tasks"].items():
        labels = ", ".join(about["labels"][name] or ["-"])
        cells = [f"{card['name']} v{card['version']}", card["kind"], " ".join(labels.split()).replace("|", r"\|")]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *score_lines(about["results"])]
    lines += [
        "",
        f"One run, seed {config['seed']}. Use it:",
        "",
        f"    python -m ptv2.predict --artifact {place} --input rows.jsonl",
        "",
        *(["Train it again:", "", f"    python -m ptv2.fit --config {config_file}", ""] if config_file else []),
        f"Backbone weights sha256 {made['weights']}, tokenizer sha256 {made['tokenizer']}.",
        "",
    ]
    return "\n".join(lines)


def metadata(about: dict[str, Any], licence: str | None = None, absent: Collection[str] = ()) -> dict[str, Any]:
    """Return what the hub reads of a card: https://huggingface.co/docs/hub/model-cards.

    Args:
        about: the artifact's description.
        licence: the hub's name of it.
        absent: names of `mentioned` that the hub does not have.
    """
    models, data = ([name for name in names if name not in absent] for names in mentioned(about))
    cards = about["config"]["tasks"].values()
    values = {
        "library_name": "ptv2",
        "license": licence,
        "base_model": models[0] if models else None,
        "base_model_relation": "adapter" if models else None,
        "datasets": data,
        "metrics": list(dict.fromkeys(metric for card in cards for metric in card["metrics"])),
        "tags": ["p-tuning-v2", "prompt-tuning", *str(about["method"]).split("+")],
    }
    return {key: value for key, value in values.items() if value}


def mentioned(about: dict[str, Any]) -> tuple[list[str], list[str]]:
    """List what may be a model and data sets of the hub: names that are no path, as far as it can be told from here."""
    data = dict.fromkeys(card["dataset"]["path"] for card in about["config"]["tasks"].values())
    names = [name for name in data if name not in (*LOCAL_FORMATS, "demo")]
    return list(filter(_may_be_on_hub, [about["backbone"]["name"]])), list(filter(_may_be_on_hub, names))


def _may_be_on_hub(name: str) -> bool:
    return bool(re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", name)) and not Path(name).exists()


def score_lines(results: dict[str, Any]) -> list[str]:
    """Write the scores as a table, each with the rows it is of, and below it what the heads were trained on."""
    head = ["task", "split", "rows", "metric", "score", "95 % interval", "trivial answer"]
    lines = [f"| {' | '.join(head)} |", "|---|---|---:|---|---:|---|---:|"]
    for split, tasks in results.get("scores", {}).items():
        for task, scores in tasks.items():
            rows = rows_of(results.get("data", {}).get(task, {}).get(split))
            ends = results.get("intervals", {}).get(split, {}).get(task, {})
            trivial = results.get("baseline", {}).get(task, {}).get(split, {})
            for metric, value in scores.items():
                cells = [
                    task,
                    split,
                    rows,
                    metric,
                    _number(value),
                    between(ends.get(metric)),
                    _number(trivial.get(metric)),
                ]
                lines.append(f"| {' | '.join(cells)} |")
    return [*lines, *(f"\n{line}" for line in data_lines(results))]


def data_lines(results: dict[str, Any]) -> list[str]:
    """Say for each task what it was trained on, what was cut or left out, and what the trivial answer is."""
    lines = []
    for task, splits in results.get("data", {}).items():
        said = [f"trained on {rows_of(splits['train'])} rows"] if "train" in splits else []
        compared = any(results.get("baseline", {}).get(task, {}).values())
        if compared and (answer := results.get("baseline_answer", {}).get(task)):
            said.append(f"the trivial answer is {answer}")
        said += [f"{about['bad']} bad {split} rows left out" for split, about in splits.items() if about["bad"]]
        said += [f"{split}: {notice}" for split, about in splits.items() for notice in about["notices"]]
        if said:
            lines.append(f"{task}: {'; '.join(said)}")
    return lines


def steps_of(results: dict[str, Any]) -> str:
    """Write which step was the best, of how many, and what ended training before those that were planned."""
    said, by = f"{results['best_step']} of {results['steps']}", results.get("ended_by")
    return said if by is None else f"{said} done of {results['planned_steps']} planned, ended by {by}"


def rows_of(about: dict[str, Any] | None) -> str:
    """Write how many rows a split has: `200 of 4,797` where some were left out."""
    if about is None:
        return "-"
    return f"{about['rows']:,}" if about["rows"] == about["of"] else f"{about['rows']:,} of {about['of']:,}"


def between(ends: list[float] | None) -> str:
    """Write the ends of an interval."""
    return "-" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
