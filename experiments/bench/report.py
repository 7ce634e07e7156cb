"""What the windows of a run say: table, figure, and the part of the README that quotes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.bench.measured import Measured, Spread
from experiments.bench.plan import GROUPS, ROWS, SMOLLM, SYSTEMS, Group
from experiments.pages import filled
from ptv2.runtime.files import write_text
from ptv2.study.table import describe, markdown

FOLDER = Path(__file__).parent / "results"
README = Path(__file__).parents[2] / "README.md"
MARKS = ("<!-- written by experiments/bench -->", "<!-- end -->")
HEAD = ("system", "rows/s", "tokens/s", "step / floor", "times the time of ptv2", "peak GB", "padding", "data")
PEAKS = {"H100": (67e12, 989e12), "H200": (67e12, 989e12), "A100": (19.5e12, 312e12)}  # FLOP/s in fp32 and bf16
MINILM_WEIGHTS, SMOLLM_WEIGHTS = 10.7e6, 134.5e6  # that every token is multiplied with
CLOCKS = {"seconds": "the time of a clock", "cpu": "the time that a process computes, on a machine that was busy"}
NOTES = """\
Written by `python -m experiments.bench.run`. Medians over the rounds, in brackets the lowest and the highest. Systems
take turns; a window of time is one pass over the same rows, and ratios are medians over pairs of windows.

- step / floor: time of a row beside the frozen backbone's forward pass and the gradient of its activations, on the
  batches of ptv2 and in the same precision. Full fine-tuning is compared with it, too, and generation with that of the
  bare backbone.
- The official recipe pads all rows to 128 tokens and cuts longer ones (reading: 384).
- times the time of ptv2: how many times as long as its keys and values a system takes for a row.
- peak GB: of the process (VmHWM), its libraries included; on a GPU of torch's allocator. padding: share of a batch's
  tokens. data: share of the time in which batches are made.
- seconds are {clock}."""


def write_report(known: Mapping[str, Any], files: bool = True) -> None:
    """Print the tables; with `files` write them, the figure and the README's part."""
    measured = {name: Measured(group["windows"], known["clock"]) for name, group in known["groups"].items()}
    text = table(measured, known)
    print(text)
    if files:
        from experiments.bench.figure import draw

        write_text(FOLDER / "table.md", text)
        draw(measured, FOLDER / "figure.svg")
        write_text(README, quoted(README.read_text(encoding="utf-8"), readme(measured, known)))


def table(measured: Mapping[str, Measured], known: Mapping[str, Any]) -> str:
    """Write a table per group, and the parts of a step below it."""
    written = ["# How fast each system trains", NOTES.format(clock=CLOCKS[known["clock"]])]
    written += describe([{"environment": known["environment"]}])
    for group in GROUPS:
        if (found := measured.get(group.name)) is not None and found.windows:
            rows = [_row(found, group, name, known) for name in group.systems if name in found.windows]
            profiled = [name for name in group.systems if name in found.windows and SYSTEMS[name].does == "parts"]
            parts = [f"{SYSTEMS[name].label}: {_shares(found.parts(name))}." for name in profiled]
            head = [*HEAD, *(["MFU"] if _peak(known) else [])]
            written.append("#" + markdown(f"{group.name}, {found.rounds} rounds", head, rows, parts).rstrip())
    return "\n\n".join(written) + "\n"


def readme(measured: Mapping[str, Measured], known: Mapping[str, Any]) -> str:
    """Write the README's table: a line for each group that trains, ratios to the floor and to others."""
    lines = [
        "| rows | step / floor, fp32 | bf16 | PEFT prefix | official recipe | full | peak GB: ptv2, PEFT, full |",
        "|---|---|---|---|---|---|---|",
    ]
    for group in GROUPS:
        found = measured.get(group.name)
        if found is None or "ours" not in found.windows:
            continue
        own = [found.ratio("ours", "floor"), found.ratio("ours bf16", "floor bf16")]
        others = [found.ratio(name, "ours") for name in ("prefix", "official", "full")]
        cells = [f"{own[0][0]:.2f}" if own[0] else "-", f"{own[1][0]:.2f}" if own[1] else "-"]
        cells += [f"{ratio[0]:.1f}x" if ratio else "-" for ratio in others]
        sizes = [f"{found.memory(n):.1f}" if n in found.windows else "-" for n in ("ours", "prefix", "full")]
        lines.append(f"| {group.name} | {' | '.join(cells)} | {', '.join(sizes)} |")
    (machine,) = describe([{"environment": known["environment"]}])
    rounds = min((found.rounds for found in measured.values()), default=0)
    return "\n".join(
        [*lines, "", f"Medians of {rounds} rounds or more; seconds are {CLOCKS[known['clock']]}. {machine}"]
    )


def quoted(page: str, written: str) -> str:
    """Return a page with what stands between the marks written again."""
    return filled(page, MARKS, written)


def _row(found: Measured, group: Group, name: str, known: Mapping[str, Any]) -> list[str]:
    system, ours = SYSTEMS[name], "generate" if group.writes else "ours"
    cells = [
        system.label,
        _wide(found.rows(name), 1),
        _wide(found.tokens(name), 0),
        _wide(found.ratio(name, system.floor), 2),
        _wide(found.ratio(name, ours), 2),
        f"{found.memory(name):.2f}",
        f"{found.padding(name):.0%}",
        f"{found.data(name):.1%}",
    ]
    return cells + ([f"{_mfu(found, group, name, known):.1%}"] if _peak(known) else [])


def _peak(known: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return what the device computes at most, in FLOP/s, where it is a GPU that is known."""
    return next((speeds for name, speeds in PEAKS.items() if name in known["environment"]["device"]), None)


def _mfu(found: Measured, group: Group, name: str, known: Mapping[str, Any]) -> float:
    """Return the share of the device's FLOP/s that goes into products of real tokens with the backbone's weights."""
    passes = 3 if name.startswith("full") else 1 if group.writes else 2
    weights = SMOLLM_WEIGHTS if ROWS[group.rows].backbone == SMOLLM else MINILM_WEIGHTS
    fp32, bf16 = _peak(known) or (1, 1)
    return found.tokens(name)[0] * 2 * passes * weights / (bf16 if "bf16" in name else fp32)


def _shares(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{part} {share:.1%}" for part, share in parts.items())


def _wide(found: Spread | Sequence[float] | None, digits: int) -> str:
    """Write a median with the lowest and the highest."""
    if found is None:
        return "-"
    middle, low, high = (f"{value:.{digits}f}" for value in found)
    return f"{middle} [{low}, {high}]"
