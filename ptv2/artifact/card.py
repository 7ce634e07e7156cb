"""An artifact's README."""

from typing import Any

from torch import Tensor


def readable_card(about: dict[str, Any], weights: dict[str, Tensor]) -> str:
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
    lines += ["", "| split | score |", "|---|---|"]
    for split, scores in about["results"].get("scores", {}).items():
        text = ", ".join(f"{task} {metric} {value:.4f}" for task, s in scores.items() for metric, value in s.items())
        lines.append(f"| {split} | {text} |")
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
