"""Charts as inline SVG: curves by step, and scores with their intervals."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ptv2.page.html import Html, join, tag
from ptv2.page.logs import Points, thinned
from ptv2.page.style import COLOURS, DASHES

WIDTH, HEIGHT = 360, 210  # of a chart, in the units of its view box
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 8, 24  # margins around the plot
NAMES = 190  # width of the names beside intervals
FEW = 40  # a curve of fewer points shows each of them


@dataclass(frozen=True)
class Curve:
    """A curve of a chart.

    Args:
        name: that the legend and the tooltip say.
        points: by step; values that are not finite make a gap.
        style: number of its colour and dash.
    """

    name: str
    points: Points
    style: int


def line_chart(title: str, curves: Sequence[Curve]) -> Html:
    """Draw curves over steps."""
    finite = [p for curve in curves for p in curve.points if math.isfinite(p[1])]
    if not finite:
        return tag("figure", tag("figcaption", title), tag("p", "no finite value", class_="note"))
    x0, x1 = _range([x for x, _ in finite])
    y0, y1 = _range([y for _, y in finite])

    def at(x: float, y: float) -> tuple[str, str]:
        right = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        down = TOP + (y1 - y) / (y1 - y0) * (HEIGHT - TOP - BOTTOM)
        return f"{right:.1f}", f"{down:.1f}"

    parts = []
    for y in ticks(y0, y1):
        down = at(x0, y)[1]
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=down, y2=down, class_="grid"))
        parts.append(tag("text", short(y), x=LEFT - 5, y=float(down) + 4, text_anchor="end"))
    for x in ticks(x0, x1):
        parts.append(tag("text", short(x), x=at(x, y0)[0], y=HEIGHT - 7, text_anchor="middle"))
    for curve in curves:
        parts.append(_drawn(curve, at))
    drawing = tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)
    return tag("figure", tag("figcaption", title), drawing)


def _drawn(curve: Curve, at) -> Html:
    colour, dash = line_style(curve.style)
    parts: list[Html] = [tag("title", curve.name)]
    for stretch in _stretches(thinned(curve.points)):
        places = [at(*point) for point in stretch]
        if len(places) > 1:
            path = "M" + "L".join(f"{x} {y}" for x, y in places)
            parts.append(tag("path", d=path, fill="none", stroke=colour, stroke_width=1.6, stroke_dasharray=dash))
        if len(places) == 1 or len(curve.points) < FEW:
            parts += [
                tag("circle", tag("title", f"{curve.name}: {value:g} at step {step:g}"), cx=x, cy=y, r=2.2, fill=colour)
                for (x, y), (step, value) in zip(places, stretch, strict=True)
            ]
    return tag("g", *parts)


def _stretches(points: Points) -> Iterator[Points]:
    """Divide a curve at values that are not finite."""
    stretch: Points = []
    for point in [*points, (0.0, math.nan)]:
        if math.isfinite(point[1]):
            stretch.append(point)
        elif stretch:
            yield stretch
            stretch = []


@dataclass(frozen=True)
class Scored:
    """A score with the interval around it, if there is one, and its colour."""

    name: str
    value: float
    low: float | None
    high: float | None
    style: int


def interval_chart(title: str, scores: Sequence[Scored], trivial: float | None) -> Html:
    """Draw a line for each score: a dot, its interval, and dashed through all of them the trivial answer's score."""
    values = [v for s in scores for v in (s.value, s.low, s.high) if v is not None]
    values += [] if trivial is None else [trivial]
    if not values or not all(map(math.isfinite, values)):
        return Html("")
    x0, x1 = _range(values)
    width, row = 2 * WIDTH, 22
    height = TOP + row * len(scores) + BOTTOM

    def at(x: float) -> float:
        return round(NAMES + (x - x0) / (x1 - x0) * (width - NAMES - 2 * RIGHT), 1)

    bottom, parts = height - BOTTOM, []
    for x in ticks(x0, x1):
        parts.append(tag("line", x1=at(x), x2=at(x), y1=TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", short(x), x=at(x), y=height - 8, text_anchor="middle"))
    if trivial is not None:
        line = {"x1": at(trivial), "x2": at(trivial), "y1": TOP, "y2": bottom, "stroke": "#888"}
        parts.append(tag("g", tag("title", f"trivial answer: {trivial:.4f}"), tag("line", **line, stroke_dasharray=4)))
    for i, score in enumerate(scores):
        y, colour = TOP + row * i + row / 2, line_style(score.style)[0]
        name = score.name if len(score.name) < 30 else f"{score.name[:28]}…"
        said = [f"{score.name}: {score.value:.4f}"]
        marks = []
        if score.low is not None and score.high is not None:
            said.append(f"{score.low:.4f} to {score.high:.4f}")
            ends = {"x1": at(score.low), "x2": at(score.high), "y1": y, "y2": y}
            marks.append(tag("line", **ends, stroke=colour, stroke_width=2))
        marks.append(tag("circle", cx=at(score.value), cy=y, r=4, fill=colour))
        parts.append(tag("text", name, x=NAMES - 12, y=y + 4, text_anchor="end", class_="row"))
        parts.append(tag("g", tag("title", ", ".join(said)), *marks))
    drawing = tag("svg", *parts, viewBox=f"0 0 {width} {height}", role="img", aria_label=title)
    return tag("figure", tag("figcaption", title), drawing, style="max-width: 860px")


def legend(names: Sequence[str]) -> Html:
    """Say which colour is whose: that of number 0, 1, ..."""
    items = []
    for i, name in enumerate(names):
        colour, dash = line_style(i)
        line = tag("line", x1=0, x2=26, y1=4, y2=4, stroke=colour, stroke_width=3, stroke_dasharray=dash)
        items.append(tag("span", tag("svg", line, viewBox="0 0 26 8"), name))
    return tag("div", join(items), class_="legend")


def line_style(number: int) -> tuple[str, str | None]:
    """Return colour and dash number `number`."""
    return COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Choose round values between two ends: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """Write a number of an axis in a few characters: 0.002, 12k, 1.5G."""
    size = abs(value)
    for unit, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size >= factor * (10 if unit == "k" else 1):
            return f"{value / factor:.4g}{unit}"
    return f"{value:.4g}" if size > 1e-12 else "0"


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: a little further than the values; around a single one, some room."""
    low, high = min(values), max(values)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return low - room, high + room
