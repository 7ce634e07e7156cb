"""Pictures of numbers: heat maps and reliability diagrams, as arrays [H, W, 3] of bytes.

They are drawn with Pillow, which TensorBoard needs anyway: a plotting library would be one more requirement of every
run, a second to import and some fifty milliseconds a figure.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

INK, PAPER, GRID = (33, 37, 41), (255, 255, 255), (222, 226, 230)
LOW, HIGH = (248, 250, 252), (8, 64, 129)
"""The colours of the least and the greatest value; between them lie those of `MAP`."""
MAP = np.array([LOW, (204, 225, 240), (123, 178, 217), (49, 120, 184), HIGH], dtype=float)
DIVERGING = np.array([(178, 60, 40), (244, 190, 160), (248, 248, 248), (150, 190, 222), HIGH], dtype=float)
NEEDLESS = 0x250  # the font that Pillow brings has letters up to here
PAD, SIZE = 12, 15  # pixels: margin, height of the letters
NUMBER = ".2f"


def font(size: int = SIZE) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that comes with Pillow."""
    return ImageFont.load_default(size)


def readable(names: Sequence[str]) -> list[str]:
    """Return names as they can be written: their numbers where the font lacks letters, and cut where they are long."""
    plain = all(ord(c) < NEEDLESS for name in names for c in name)
    written = list(names) if plain else [str(i) for i in range(len(names))]
    return [name if len(name) <= 22 else name[:21] + "…" for name in written]


def heat_map(
    values: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    axes: tuple[str, str],
    bounds: tuple[float, float] | None = None,
    texts: Sequence[Sequence[str]] | None = None,
) -> Picture:
    """Draw a matrix [rows, columns] with a value in each cell where there is room.

    Args:
        values: NaN is left white.
        rows: names of the rows.
        columns: names of the columns.
        title: written above.
        axes: what the rows and the columns are.
        bounds: values of the two ends of the colours; None: 0 and the largest. Below 0 they diverge.
        texts: what stands in the cells instead.
    """
    low, high = bounds or (0.0, float(np.nanmax(values, initial=0.0)) or 1.0)
    rows, columns = readable(rows), readable(columns)
    cell = int(np.clip(540 / max(1, len(columns)), 18, 54))
    tall = int(np.clip(640 / max(1, len(rows)), 18, 36))
    small = font(14 if cell >= 42 else 12)
    left = PAD + SIZE + 10 + max((int(font().getlength(name)) for name in rows), default=0)
    names = max((int(font().getlength(name)) for name in columns), default=0)
    upright = names > cell - 4
    top = 2 * PAD + 2 * SIZE
    width = left + cell * len(columns) + 2 * PAD + 70
    bottom = (names if upright else SIZE) + SIZE + 3 * PAD
    width = max(width, int(font(17).getlength(title)) + 2 * PAD)
    canvas = Image.new("RGB", (width, top + tall * len(rows) + bottom), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((PAD, PAD), title, INK, font(17))
    for i, name in enumerate(rows):
        y = top + tall * i
        draw.text((left - 6, y + tall // 2), name, INK, font(), anchor="rm")
        for j in range(len(columns)):
            value, x = float(values[i, j]), left + cell * j
            if np.isnan(value):
                continue
            colour = shade((value - low) / ((high - low) or 1.0), DIVERGING if low < 0 else MAP)
            draw.rectangle((x, y, x + cell - 2, y + tall - 2), colour)
            text = texts[i][j] if texts is not None else format(value, NUMBER)
            if small.getlength(text) <= cell - 2 and tall >= 15:
                dark = sum(colour) < 380
                draw.text((x + cell / 2 - 1, y + tall / 2 - 1), text, PAPER if dark else INK, small, anchor="mm")
    end = top + tall * len(rows) + 4
    for j, name in enumerate(columns):
        x = left + cell * j + cell // 2
        if upright:
            _upright(canvas, name, x, end)
        elif cell >= 20 or j % 2 == 0:
            draw.text((x, end), name, INK, font(), anchor="mt")
    middle = left + cell * len(columns) // 2
    draw.text((middle, canvas.height - PAD), axes[1], INK, font(), anchor="mb")
    _upright(canvas, axes[0], PAD + SIZE // 2, top + tall * len(rows) // 2, centred=True)
    _scale(draw, left + cell * len(columns) + PAD, top, tall * len(rows), (low, high))
    return np.asarray(canvas)


def reliability(bins: Sequence[tuple[float, float, int]], title: str) -> Picture:
    """Draw how often answers of each confidence are right.

    Args:
        bins: of equal width from 0 to 1: mean confidence, share of right answers, number of answers.
        title: written above.
    """
    side, left, top = 360, 60, 84
    canvas = Image.new("RGB", (left + side + 30, top + side + 60), PAPER)
    draw, most = ImageDraw.Draw(canvas), max((n for *_, n in bins), default=1) or 1
    draw.text((PAD, PAD), title, INK, font(17))
    draw.text((PAD, PAD + 20), "bars: share that is right; line: confidence; darker: more answers", INK, font(13))
    base, wide = top + side, side / len(bins)
    for i in range(6):
        y = base - side * i / 5
        draw.line((left, y, left + side, y), GRID)
        draw.text((left - 6, y), f"{i / 5:.1f}", INK, font(13), anchor="rm")
        draw.text((left + side * i / 5, base + 6), f"{i / 5:.1f}", INK, font(13), anchor="mt")
    for i, (_, right, n) in enumerate(bins):
        if n:
            x = left + wide * i
            draw.rectangle((x + 2, base - side * right, x + wide - 2, base), shade(0.3 + 0.6 * n / most))
            draw.text((x + wide / 2, base - side * right - 3), str(n), INK, font(10), anchor="mb")
    draw.line((left, base, left + side, top), (178, 60, 40), 2)
    draw.line((left, base, left + side, base), INK)
    draw.text((left + side // 2, canvas.height - PAD), "confidence", INK, font(), anchor="mb")
    return np.asarray(canvas)


def shade(share: float, colours: NDArray[np.floating] = MAP) -> Colour:
    """Return the colour at a share of the way from the first to the last."""
    at = float(np.clip(share, 0, 1)) * (len(colours) - 1)
    below = min(int(at), len(colours) - 2)
    mixed = colours[below] + (colours[below + 1] - colours[below]) * (at - below)
    red, green, blue = (int(part) for part in mixed)
    return red, green, blue


def _upright(canvas: Image.Image, text: str, x: int, y: int, centred: bool = False) -> None:
    """Write a text that is read from below, its upper end at y."""
    length = int(font().getlength(text)) + 2
    drawn = Image.new("RGB", (length, SIZE + 5), PAPER)
    ImageDraw.Draw(drawn).text((0, 0), text, INK, font())
    turned = drawn.rotate(90, expand=True)
    canvas.paste(turned, (x - turned.width // 2, y - length // 2 if centred else y))


def _scale(draw: ImageDraw.ImageDraw, x: int, y: int, tall: int, bounds: tuple[float, float]) -> None:
    """Draw which value has which colour."""
    low, high = bounds
    tall = max(tall, 40)
    for i in range(tall):
        share = 1 - i / max(1, tall - 1)
        draw.line((x, y + i, x + 12, y + i), shade(share, DIVERGING if low < 0 else MAP))
    draw.text((x + 16, y), format(high, NUMBER), INK, font(13), anchor="lt")
    draw.text((x + 16, y + tall), format(low, NUMBER), INK, font(13), anchor="ls")
