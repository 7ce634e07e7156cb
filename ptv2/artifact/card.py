"""An artifact's README."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # tables use it before torch is needed
    from torch import Tensor


def readable_card(about: dict[str, Any], weights: dict[str, "Tensor"]) -> str:
    """Write a page that tells a reader what the artifact is and how to use it."""
    config, made = about["config"], about["backbone"]
    size = sum(tensor.numel() for tensor in weights.values())
    lines = [
        f"# {config['run']['name']}",
        "",
        f"Method `{about['method']}` on the frozen backbone `{made['name']}` (family {made['family']}), "
        f"{size:,} numbers in float32.",
        "",
        "| task | kind | labels |",
        "|---|---|---|",
    ]
    for name, card in config["tasks"].items():
        labels = about["labels"][name]
        lines.append(f"| {card['name']} v{card['version']} | {card['kind']} | {', '.join(labels) if labels else '-'} |")
    lines += ["", *score_lines(about["results"])]
    lines += [
        "",
        f"One run, seed {config['seed']}. Use it:",
        "",
        "    python -m ptv2.predict --artifact <this folder> --input rows.jsonl",
        "",
        f"Backbone weights sha256 {made['weights']}, tokenizer sha256 {made['tokenizer']}.",
        "",
    ]
    return "\n".join(lines)


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
        said = [f"{task}: trained on {rows_of(splits['train'])} rows"] if "train" in splits else [f"{task}:"]
        if answer := results.get("baseline_answer", {}).get(task):
            said.append(f"the trivial answer is {answer}")
        said += [f"{about['bad']} bad {split} rows left out" for split, about in splits.items() if about["bad"]]
        said += [f"{split}: {notice}" for split, about in splits.items() for notice in about["notices"]]
        lines.append("; ".join(said))
    return lines


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
