"""Tables for people: what a run would do, what it scored, how runs compare."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ptv2.artifact.card import between, data_lines, rows_of, steps_of
from ptv2.commands.shell import import_words

if TYPE_CHECKING:
    from ptv2.config.schema import Config
    from ptv2.model.build import Parts


def table(title: str, columns: list[str], rows: list[list[Any]], width: int = 100) -> None:
    """Print a table; first column to the left, the others to the right; `width` where there is no terminal."""
    made = Table()
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i == 0 else "right", overflow="fold")  # a name cut short is none
    for row in rows:
        made.add_row(*[escape(value) if isinstance(value, str) else _number(value) for value in row])
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(width, console.width))
    console.print(escape(title), style="italic", highlight=False, soft_wrap=True)  # a path in it stays whole
    console.print(made)


def dry_run(parts: "Parts") -> None:
    """Print everything up to the first batch: rows, shapes, loss and parameters."""
    import torch

    for name, data in parts.tasks.items():
        rows = [[split, len(r.data), len(data.encoded(split))] for split, r in data.rows.items()]
        table(f"task {name} ({data.card.kind})", ["split", "rows", "features"], rows)
    batch = next(iter(parts.data.train_dataloader()))
    module = parts.module.train()
    shapes = []
    for part, logits in module.read(batch):
        loss = module.head(part["task"]).loss(logits, part)
        name = f"{part['task']} " if len(parts.tasks) > 1 else ""
        read = "negative log-likelihood" if module.head(part["task"]).asks == "targets" else "logits"
        shapes += [[f"{name}{key}", str(tuple(value.shape))] for key, value in part.items() if torch.is_tensor(value)]
        shapes += [[f"{name}{read}", str(tuple(logits.shape))], [f"{name}loss", f"{loss.item():.4f}"]]
    shapes += [list(shape) for shape in module.method.shapes()]
    table("first batch", ["tensor", "shape"], shapes)
    if (padding := parts.data.padding()) is not None:
        print(f"padding of the training batches: {padding:.1%} of their tokens")
    counts = module.parameter_counts()
    rows = [[part, n["total"], n["trainable"]] for part, n in counts.items()]
    rows.append(["all", sum(n["total"] for n in counts.values()), sum(n["trainable"] for n in counts.values())])
    table("parameters", ["part", "total", "trainable"], rows)


def print_results(results: dict[str, Any], folder: Path) -> None:
    """Print the scores with the rows they are of beside the baseline, the sizes, and where to look next."""
    rows = []
    for split, tasks in results["scores"].items():
        for task, scores in tasks.items():
            about = results.get("data", {}).get(task, {}).get(split)
            ends = results.get("intervals", {}).get(split, {}).get(task, {})
            trivial = results["baseline"][task].get(split, {})
            for metric, value in scores.items():
                rows.append(
                    [f"{task} {metric}", split, rows_of(about), value, between(ends.get(metric)), trivial.get(metric)]
                )
    columns = ["metric", "split", "rows", "score", "95 % interval", "trivial answer"]
    if rows:
        table(f"{results['name']}: {results['method']}", columns, rows)
    else:
        print(f"{results['name']}: {results['method']}, no scores: there are no validation or test rows")
    for line in data_lines(results):
        print(line)
    for lines in results.get("not_learned", {}).values():
        print("\n".join(lines))
    trainable = sum(n["trainable"] for n in results["parameters"].values())
    print(
        f"best step {steps_of(results)}, {results['wall_seconds']} s, "
        f"{results['tokens_per_second']:.0f} tokens/s, {trainable:,} trainable parameters"
    )
    print(f"artifact: {folder / 'prompt'}")


def next_lines(config: "Config", folder: Path) -> list[str]:
    """Write the commands that a finished run is used with."""
    run, imports = shlex.quote(str(folder)), shlex.join(import_words(config.imports))
    more = f" {imports}" if imports else ""
    lines = [
        f"answers:  python -m ptv2.predict --artifact {run} --input FILE{more}",
        f"scores:   python -m ptv2.evaluate --artifact {run} --input FILE{more}",
        f"compare:  python -m ptv2.compare {shlex.quote(str(folder.parent))}/*",
    ]
    if "tensorboard" in config.run.loggers:
        lines.append(f"curves:   tensorboard --logdir {shlex.quote(str(folder.parent))}")
    return lines


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
