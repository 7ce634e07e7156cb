"""What does it cost to keep a thousand artifacts on one backbone, and does trouble of some clients reach others?

Writes results.json here, and the figures into docs/serving.md.

Run: python -m experiments.serving.study
"""

import json
import os
import random
import re
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from experiments.serving.artifacts import COUNT, make
from experiments.serving.clients import Server, Trouble, row, rows_per_second, serving
from experiments.serving.mixed import rates
from ptv2.backbone import quiet_transformers
from ptv2.commands.shell import quiet
from ptv2.runtime.environment import environment

FOLDER, PAGE = Path(__file__).parent, Path("docs") / "serving.md"
RUNS = Path("runs") / "serving"
SECONDS, TROUBLE = 6, 12


def swaps(server: Server, names: list[str]) -> dict[str, float]:
    """Return milliseconds of one row: of an artifact's first request, and of those after it."""
    draw, first, later = random.Random(1), [], []
    for times in (first, later, later):
        for name in names:
            started = time.perf_counter()
            status, answer = server.predict(name, [row(draw)])
            assert status == 200, answer
            times.append(1000 * (time.perf_counter() - started))
    return {"first": statistics.median(first), "later": statistics.median(later)}


def load_ms(server: Server, name: str) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        server.ask("PUT", f"/v1/artifacts/{name}")
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def troubled(artifacts: Path) -> dict[str, int]:
    """Let clients misbehave beside others, and an artifact be replaced while it is used."""
    folder = RUNS / "troubled"
    shutil.rmtree(folder, ignore_errors=True)
    names = [f"task-{number:04}" for number in range(12)]
    for name in names:
        shutil.copytree(artifacts / name, folder / name)

    def replace(turn: int) -> str:
        for file in (artifacts / f"task-{100 + turn % 2:04}").iterdir():
            shutil.copyfile(file, folder / names[0] / file.name)  # in place
        return names[0]

    with serving(folder, "--limit-body-seconds", "2") as server:
        return dict(Trouble(server, {}, names, replace, time.perf_counter() + TROUBLE).run())


def measure() -> dict[str, Any]:
    artifacts = RUNS / "artifacts"
    make(artifacts)
    names = [f"task-{number:04}" for number in range(COUNT)]
    load = os.getloadavg()[0]
    results: dict[str, Any] = {"passes": rates(artifacts)}
    with serving(artifacts) as server:
        results["start"] = {"seconds": server.seconds, "memory": server.memory()}
        results["milliseconds"] = swaps(server, names[-20:]) | {"loaded again": load_ms(server, names[-1])}
        for live in (1, 10):
            rows_per_second(server, names[:live], 1)
            results.setdefault("rows_per_second", {})[live] = rows_per_second(server, names[:live], SECONDS)
        started = time.perf_counter()
        for name in names:  # each is joined by its first request
            server.predict(name, [{"text": "a"}])
        results["join_all_seconds"] = time.perf_counter() - started
        results["rows_per_second"][COUNT] = rows_per_second(server, names, SECONDS)
        results["end"] = {"memory": server.memory()}
    results["trouble"] = troubled(artifacts)
    made = environment()
    about = {"cores": os.cpu_count(), "load average before": round(load, 1)}
    return results | {"environment": {key: made[key] for key in ("versions", "cpu", "threads")} | about}


def figures(results: dict[str, Any]) -> str:
    """Write what was measured, for docs/serving.md."""
    made, ms, trouble = results["environment"], results["milliseconds"], results["trouble"]
    start, end = results["start"]["memory"], results["end"]["memory"]
    lines = [
        f"{made['cpu']}, cores: {made['cores']}, threads of a pass: {made['threads']}; {versions(made['versions'])}."
    ]
    lines += [
        f"Load average when it began: {made['load average before']}, of which nothing was its own. One run: where",
        "other processes ran beside it, these are orders of size: a difference of a few rows per second means nothing.",
    ]
    lines += ["", "| 1,000 artifacts of MiniLM-L6, P of 4 to 32, all layers or the top three | |", "|---|---:|"]
    for what, value in {
        "from the command to the first answer possible": f"{results['start']['seconds']:.0f} s",
        "first request of an artifact (it is joined), one row": f"{ms['first']:.0f} ms",
        "requests after it, one row": f"{ms['later']:.0f} ms",
        "`PUT` of an artifact that is loaded": f"{ms['loaded again']:.0f} ms",
        "memory, all mapped and none joined": memory(start),
        "memory, all joined and used": memory(end),
        "peak of memory (VmHWM)": f"{end['peak']:.0f} MiB",
    }.items():
        lines.append(f"| {what} | {value} |")
    lines += ["", "| live tasks, 8 clients, 4 rows a request | rows/s |", "|---|---:|"]
    lines += [f"| {int(live):,} | {rate:.0f} |" for live, rate in results["rows_per_second"].items()]
    different = list(next(iter(results["passes"].values())))
    lines += ["", f"| one pass of 32 rows of different tasks, rows/s | {' | '.join(different)} |"]
    lines.append("|---|" + "---:|" * len(different))
    for name, rates_of in results["passes"].items():
        lines.append(f"| {name} | {' | '.join(f'{rate:.0f}' for rate in rates_of.values())} |")
    words = ", ".join(f"{key} {count:,}" for key, count in sorted(trouble.items()))
    lines += ["", f"Trouble, {TROUBLE} s: {words}."]
    return "\n".join(lines)


def memory(held: dict[str, float]) -> str:
    return f"{held['resident']:.0f} MiB, of which {held['own']:.0f} are no mapped file"


def versions(held: dict[str, str]) -> str:
    return ", ".join(f"{name} {held[name]}" for name in ("ptv2", "python", "torch", "transformers"))


def main() -> None:
    quiet_transformers()
    quiet()
    results = json.loads(json.dumps(measure()))
    (FOLDER / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_page(results)


def write_page(results: dict[str, Any]) -> None:
    begin, end = "<!-- figures: python -m experiments.serving.study -->\n", "<!-- end of figures -->\n"
    text = PAGE.read_text(encoding="utf-8")
    text = re.sub(f"{begin}.*?{end}", lambda _: f"{begin}\n{figures(results)}\n\n{end}", text, flags=re.S)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
