"""Draw the floors of the package: which folder imports which, as the sources say (see tests/test_floors.py).

Run: python docs/floors.py, which writes docs/floors.svg.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "ptv2"
FIGURE = Path(__file__).with_name("floors.svg")
FLOORS = (
    "errors runtime config metrics backbone rows artifact kinds methods data guess model exchange service train study "
    "page commands"
).split()
"""From the ground up; the doors (`python -m ptv2.X`) stand on top of them."""
DOORS = "doors"
STEP_X, STEP_Y, WIDTH, HEIGHT, MARGIN = 62, 38, 84, 26, 14  # pixels


def imports(package: Path) -> Iterator[tuple[str, str]]:
    """Yield every import between modules of the package: (importing module, imported module)."""
    modules = {name_of(path, package): path for path in package.rglob("*.py")}
    for importer, path in modules.items():
        for name in imported_by(path.read_text(encoding="utf-8")):
            found = name.removeprefix("ptv2").removeprefix(".")
            while found and found not in modules:  # a name inside of a module
                found = found.rpartition(".")[0]
            if found != importer:
                yield importer, found


@cache
def imported_by(source: str) -> list[str]:
    """List the names of the package that a module imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name == "ptv2" or name.startswith("ptv2.")]


def name_of(path: Path, package: Path) -> str:
    """Return the dotted name of a module below the package, without the package's own."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder(module: str) -> str:
    """Return the folder that a module lives in; every module beside the folders is a door."""
    first = module.partition(".")[0]
    return first if first in FLOORS else DOORS


def floor(module: str) -> int:
    """Return the number of a module's floor; doors stand above all others."""
    return [*FLOORS, DOORS].index(folder(module))


def arrows(package: Path) -> set[tuple[str, str]]:
    """Collect the imports between folders: (importing folder, imported folder)."""
    return {(folder(a), folder(b)) for a, b in imports(package) if b and folder(a) != folder(b)}


def figure(pairs: set[tuple[str, str]]) -> str:
    """Draw the folders along a diagonal: an import goes right from its folder, turns at a dot, and goes down.

    An import of a folder above would have to go left or up: there is no such line.
    """
    names = [DOORS, *reversed(FLOORS)]
    x = {name: MARGIN + WIDTH // 2 + i * STEP_X for i, name in enumerate(names)}  # centres of the boxes
    y = {name: MARGIN + HEIGHT // 2 + i * STEP_Y for i, name in enumerate(names)}
    lines, dots, boxes = [], [], []
    for name in names:
        if right := [x[to] for of, to in pairs if of == name]:
            lines.append(f'<path d="M{x[name] + WIDTH // 2} {y[name]}H{max(right)}"/>')
        if above := [y[of] for of, to in pairs if to == name]:
            end = y[name] - HEIGHT // 2 - 1
            lines.append(f'<path d="M{x[name]} {min(above)}V{end}" marker-end="url(#tip)"/>')
        left, top = x[name] - WIDTH // 2, y[name] - HEIGHT // 2
        boxes.append(f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>')
        boxes.append(f'<text x="{x[name]}" y="{y[name] + 4}">{name}</text>')
    for of, to in sorted(pairs, key=lambda pair: (names.index(pair[0]), names.index(pair[1]))):
        dots.append(f'<circle cx="{x[to]}" cy="{y[of]}" r="4"><title>{of} imports {to}</title></circle>')
    width, height = x[names[-1]] + WIDTH // 2 + MARGIN, y[names[-1]] + HEIGHT // 2 + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        "<title>Which folder of ptv2 imports which: all arrows go right and down</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8a94a6"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        '<g fill="none" stroke="#c3cad6" stroke-width="1.5">',
        *lines,
        '</g>\n<g fill="#2f6fb3">',
        *dots,
        '</g>\n<g fill="#eef3f9" stroke="#2f6fb3">',
        *(box for box in boxes if box.startswith("<rect")),
        '</g>\n<g fill="#1d2733" text-anchor="middle">',
        *(box for box in boxes if box.startswith("<text")),
        "</g>\n</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    FIGURE.write_text(figure(arrows(PACKAGE)), encoding="utf-8")
