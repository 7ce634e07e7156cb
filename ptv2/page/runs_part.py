"""Runs on the page: their scores and curves together, what differs between them, then each alone."""

import math
from collections.abc import Sequence

from ptv2.metrics.table import METRICS
from ptv2.page.charts import Curve, Scored, interval_chart, legend, line_chart
from ptv2.page.html import Html, folded, join, section, table, tag
from ptv2.page.logs import Points, read_curves
from ptv2.page.run_part import config_part, facts, mistake_part, score_table
from ptv2.page.settings import between_runs
from ptv2.study.beside import beside
from ptv2.study.finished import Run, by_seed
from ptv2.study.shown import shown

GROUPS = {"validation": "Validation", "train": "Training", "speed": "Speed and memory", "memory": "Speed and memory"}
"""First part of a name -> the group of charts it is in; any other is a group of its own, folded."""
AT_ONCE = 12  # charts of a group that are shown; more are folded


def runs_part(runs: Sequence[Run], count: int) -> Html:
    """Show one run or several.

    Args:
        runs: at least one.
        count: mistakes of each task that are shown.
    """
    groups = by_seed(list(runs))
    curves = section("Curves", curves_part([(_name(group), group) for group in groups]))
    if len(runs) == 1:
        (run,) = runs
        return join(
            [
                section("Scores", score_table(run), score_charts(groups)),
                curves,
                section("Mistakes", mistake_part(run, count)),
                section("How it was made", facts(run)),
                section("Config", config_part(run)),
            ]
        )
    made = shown(beside(groups))
    notes = tag("ul", *(tag("li", note) for note in made.notes), class_="note") if made.notes else None
    each = [
        folded(
            f"{run.name} ({run.method}, {run.state})",
            score_table(run),
            tag("h3", "How it was made"),
            facts(run),
            config_part(run),
            tag("h3", "Mistakes") if (mistakes := mistake_part(run, count)) else None,
            mistakes,
        )
        for run in runs
    ]
    return join(
        [
            section("Scores", table(made.heads, made.rows, texts=3), notes, score_charts(groups)),
            curves,
            section("What differs", between_runs(runs)),
            section("Each run", *each),
        ]
    )


def score_charts(groups: Sequence[Sequence[Run]]) -> Html:
    """Draw the main score of every finished run with its interval, a chart for each task and metric."""
    charts: dict[tuple[str, str, str], tuple[list[Scored], float | None]] = {}
    for style, group in enumerate(groups):
        for run in group:
            for task, card in run.tasks.items():
                split, metric, value = run.headline(task)
                if run.results is None or value is None or not math.isfinite(value):
                    continue
                low, high = _ends(run, split, task, metric)
                trivial = run.results["baseline"][task].get(split, {}).get(metric)
                scores, _ = charts.setdefault((card, split, metric), ([], trivial))
                scores.append(Scored(run.name, value, low, high, style))
    return join(
        interval_chart(f"{card}: {split} {metric}{_direction(metric)}; dashed: the trivial answer", scores, trivial)
        for (card, split, metric), (scores, trivial) in charts.items()
    )


def _ends(run: Run, split: str, task: str, metric: str) -> tuple[float, float] | tuple[None, None]:
    ends = (run.results or {}).get("intervals", {}).get(split, {}).get(task, {}).get(metric)
    return (float(ends[0]), float(ends[1])) if ends and all(map(math.isfinite, ends)) else (None, None)


def _direction(metric: str) -> str:
    return " (lower is better)" if metric in METRICS and not METRICS[metric].higher_is_better else ""


def curves_part(groups: Sequence[tuple[str, Sequence[Run]]], only: Sequence[str] = ()) -> Html:
    """Draw what runs logged: a chart for each name, a colour for each group of runs.

    Args:
        groups: name and runs; those of a group differ in their seed alone.
        only: names that are drawn; none: all.
    """
    charts: dict[str, list[Curve]] = {}
    for style, (_, group) in enumerate(groups):
        for run in group:
            for name, points in logged(run).items():
                if not only or name in only:
                    charts.setdefault(name, []).append(Curve(run.name, points, style))
    if not charts:
        return Html("")
    grouped: dict[str, list[Html]] = {}
    for name, lines in charts.items():
        first = name.partition("/")[0]
        grouped.setdefault(GROUPS.get(first, first), []).append(line_chart(name, lines))
    order = [*dict.fromkeys(GROUPS.values()), *(name for name in grouped if name not in GROUPS.values())]
    parts = [legend([name for name, _ in groups])] if len(groups) > 1 else []
    for name in (name for name in order if name in grouped):
        drawn = grouped[name]
        few = name in GROUPS.values() and len(drawn) <= AT_ONCE
        title = name if few else f"{name} ({len(drawn)} chart{'s' * (len(drawn) > 1)})"
        parts.append(folded(title, tag("div", *drawn, class_="charts"), open_=few))
    return join(parts)


def logged(run: Run) -> dict[str, Points]:
    """Read all curves of a run: what it logged, the mean score first, and its speed."""
    curves = read_curves(run.path / "metrics.jsonl")
    first = {name: points for name, points in curves.items() if name in ("validation/score", "train/loss")}
    return first | curves | read_curves(run.path / "speed.jsonl")


def _name(group: Sequence[Run]) -> str:
    return group[0].name if len(group) == 1 else f"{', '.join(run.name for run in group)} (seeds)"
