"""A run on the page: its scores, its mistakes, how it was made, and the command that makes it again."""

import json
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ptv2.artifact.card import between, data_lines, rows_of, steps_of
from ptv2.config.text import dump
from ptv2.model.predictions import Record
from ptv2.page.answers import wrong_answer
from ptv2.page.html import Html, folded, join, pairs, table, tag
from ptv2.page.inputs import Inputs
from ptv2.page.mistakes import read_mistakes
from ptv2.page.settings import beside_defaults
from ptv2.study.finished import Run

CLASSES = 20  # the most of which a confusion matrix is drawn


def score_table(run: Run) -> Html:
    """Make a table of all scores: on how many rows, with intervals, beside the trivial answer's."""
    results, rows = run.results or {}, []
    for split, tasks in results.get("scores", {}).items():
        for task, scores in tasks.items():
            about = results.get("data", {}).get(task, {}).get(split)
            ends = results.get("intervals", {}).get(split, {}).get(task, {})
            trivial = results["baseline"][task].get(split, {})
            for metric, value in scores.items():
                numbers = [_number(value), between(ends.get(metric)), _number(trivial.get(metric))]
                rows.append([task, split, metric, rows_of(about), *numbers])
    if not rows:
        return tag("p", f"No scores: the run is {run.state}.", class_="note")
    heads = ["task", "split", "metric", "rows", "score", "95 % interval", "trivial answer"]
    notes = [tag("li", line) for line in data_lines(results)]
    return join([table(heads, rows, texts=3), tag("ul", *notes, class_="note") if notes else None])


def facts(run: Run) -> Html:
    """List how the run was made, and the command that makes it again."""
    results, config = run.results or {}, run.config
    found: list[tuple[str, object]] = [("state", run.state), ("method", run.method)]
    found += [("backbone", results.get("backbone") or config.get("backbone", {}).get("name", "-"))]
    found += [("tasks", ", ".join(dict.fromkeys(run.tasks.values()))), ("seed", run.seed)]
    if results:
        sizes = results["parameters"].values()
        trainable, total = (sum(size.get(name, 0) for size in sizes) for name in ("trainable", "total"))
        share = f" ({100 * trainable / total:.3g} %)" if total else ""
        found += [("trainable numbers", f"{trainable:,} of {total:,}{share}")]
        if "best_step" in results:
            found += [("best step", steps_of(results))]
        found += [("time", f"{results['wall_seconds']:,} s")] if "wall_seconds" in results else []
        found += [("tokens/s", f"{results['tokens_per_second']:,.0f}")] if "tokens_per_second" in results else []
        memory = results.get("peak_memory", {})
        found += [(f"peak memory ({name})", f"{size / 1e9:.2f} GB") for name, size in memory.items() if size]
        found += [("artifact", f"{results['artifact_bytes']:,} bytes")] if "artifact_bytes" in results else []
        found += _environment(results.get("environment", {}))
    again = f"python -m ptv2.fit --config {shlex.quote(str(run.path / 'config.yaml'))} run.name=NAME"
    return join([pairs(found), tag("p", "The same run again, under another name:"), tag("pre", again)])


def _environment(made: Mapping[str, Any]) -> list[tuple[str, object]]:
    versions = made.get("versions", {})
    named = {"git revision": "git", "device": "device", "processor": "cpu", "threads": "threads"}
    return [
        *versions.items(),
        *((name, made[key]) for name, key in named.items() if made.get(key) is not None),
    ]


def config_part(run: Run) -> Html:
    """Show what the config sets, and fold the whole of it."""
    if not run.config:
        return Html("")
    return join([beside_defaults(run.config), folded("config.yaml", tag("pre", dump(run.config)))])


def mistake_part(run: Run, count: int) -> Html:
    """Show the worst mistakes of each task on the split of its score, and a confusion matrix of few classes."""
    parts = []
    for task in run.tasks if run.results else ():
        split = run.headline(task)[0]
        path = run.path / "predictions" / f"{task}.{split}.jsonl"
        card = run.config.get("tasks", {}).get(task, {})
        found = read_mistakes(path, str(card.get("kind"))) if path.is_file() else None
        if found is None:
            continue
        said = f"{len(found.wrong):,} of {len(found.records):,} answers differ from the gold ones"
        shown = found.wrong[:count]
        said += f"; {len(shown)} of them, {found.first}." if shown else "."
        body = [tag("h3", f"{task}, {split}"), tag("p", said, class_="note"), confusion(found.records)]
        if shown:
            fingerprint = (run.results or {}).get("rows", {}).get(task, {}).get(split)
            inputs = Inputs(card, split, fingerprint)
            if inputs.missing and not any("inputs" in record for record in shown):
                body.append(tag("p", f"Without inputs: {inputs.missing}.", class_="note"))
            body += [wrong_answer(record, inputs.of(record), card) for record in shown]
        parts.append(join(body))
    return join(parts)


def confusion(records: Sequence[Record]) -> Html:
    """Count predicted names against gold ones; nothing where answers are no names, or of too many classes."""
    answers = [(record["gold"], record["prediction"]) for record in records]
    if not all(isinstance(side, str) for pair in answers for side in pair):
        return Html("")
    names = sorted({name for pair in answers for name in pair})
    if not 1 < len(names) <= CLASSES or any(record.keys().isdisjoint({"scores"}) for record in records):
        return Html("")
    counts, rows = Counter(answers), []
    for gold in names:
        total = sum(counts[gold, name] for name in names)
        row: list[object] = [gold]
        for name in names:
            number = counts[gold, name]
            depth = round(70 * number / total) if total else 0
            colour = "var(--good)" if name == gold else "var(--bad)"
            style = f"background: color-mix(in srgb, {colour} {depth}%, transparent)" if number else None
            row.append(tag("div", f"{number:,}" if number else "·", style=style))
        rows.append([*row, f"{total:,}"])
    return tag("div", table(["gold \\ predicted", *names, "all"], rows), class_="confusion")


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return "-" if value is None else json.dumps(value)
    return f"{value:.4f}" if math.isfinite(value) else str(value)
