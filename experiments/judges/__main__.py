"""Run judges and write what they say: `python -m experiments.judges [NAME ...]`, all of them without a name.

Results are kept in results.json by judge, with the versions they are of; table.md is written from it, and the table of
README.md, which has a line for each judge. A judge whose
package or data are not here is left out, and its earlier results stay. Exit code 1: a difference is too large.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from experiments.judges.judge import Absent
from experiments.pages import filled
from ptv2.errors import nearest
from ptv2.runtime.files import write_text

FOLDER = Path(__file__).parent
RESULTS, TABLE, README = FOLDER / "results.json", FOLDER / "table.md", FOLDER.parents[1] / "README.md"
MARKS = "<!-- judges: written by experiments/judges -->", "<!-- judges end -->"
NAMES = ("tagging", "squad", "texts", "trainer", "situations", "harness", "llama")


def main(names: list[str]) -> int:
    """Run these judges, write the results, and return the exit code."""
    for name in names:
        if name not in NAMES:
            print(f"error: no judge '{name}'; {nearest(name, NAMES)}", file=sys.stderr)
            return 2
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    for name in names or NAMES:
        try:
            results[name] = import_module(f"experiments.judges.{name}").JUDGE.run()
        except Absent as reason:
            print(f"{name}: left out, {reason}", flush=True)
            continue
        print(f"{name}: {verdict(results[name])}", flush=True)
        ordered = {name: results[name] for name in NAMES if name in results}
        write_text(RESULTS, json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
        write_text(TABLE, page(ordered))
        write_text(README, filled(README.read_text(encoding="utf-8"), MARKS, summary(ordered)))
    return int(any(agrees(results[name]) is False for name in names or NAMES if name in results))


def differences(result: dict[str, Any]) -> list[float | None]:
    """Return how far apart each case's numbers are; None of words."""
    pairs = [(case["theirs"], case["ours"]) for case in result["cases"]]
    return [None if isinstance(a, str) or isinstance(b, str) else abs(a - b) for a, b in pairs]


def agrees(result: dict[str, Any]) -> bool | None:
    """Tell whether every difference is within the tolerance; None: words are compared."""
    if result["tolerance"] is None:
        return None
    return all(d is not None and d <= result["tolerance"] for d in differences(result))


def verdict(result: dict[str, Any]) -> str:
    """Say in a line how the comparison went."""
    if agrees(result) is None:
        return f"{len(result['cases'])} cases"
    largest = max((d for d in differences(result) if d is not None), default=0.0)
    word = "agree" if agrees(result) else "DIFFER"
    return f"{len(result['cases'])} cases {word}, largest difference {largest:.1e} (allowed {result['tolerance']:.0e})"


def page(results: dict[str, Any]) -> str:
    """Write the tables."""
    lines = ["# ptv2 beside programs of others", "", "Written by `python -m experiments.judges` (`make judges`).", ""]
    for result in results.values():
        versions = ", ".join(f"{package} {number}" for package, number in result["versions"].items())
        lines += [f"## {result['title']}", "", f"{result['about']} {verdict(result).capitalize()}. {versions}.", ""]
        if result["tolerance"] is None:
            lines += [f"| situation | {result['them']} | ptv2 |", "|---|---|---|"]
            lines += [f"| {case['case']} | {case['theirs']} | {case['ours']} |" for case in result["cases"]]
        else:
            lines += [f"| case | of | {result['them']} | ptv2 | difference |", "|---|---|---:|---:|---:|"]
            for case, apart in zip(result["cases"], differences(result), strict=True):
                numbers = [f"{case['theirs']:.6f}", f"{case['ours']:.6f}", f"{apart:.1e}"]
                lines.append(f"| {' | '.join([case['case'], case['of'], *numbers])} |")
        lines.append("")
    return "\n".join(lines)


def summary(results: dict[str, Any]) -> str:
    """Write a line for each judge."""
    lines = ["| judge | what is compared | cases | largest difference | allowed |", "|---|---|---|---|---|"]
    for result in results.values():
        count, apart = len(result["cases"]), max((d for d in differences(result) if d is not None), default=None)
        ends = [
            "-" if number is None else f"{number:.1e}" if number else "0" for number in (apart, result["tolerance"])
        ]
        if result["tolerance"] is None:
            theirs, ours = (sum(case[of] == "passes" for case in result["cases"]) for of in ("theirs", "ours"))
            ends[0] = f"ptv2 passes {ours}, {result['them']} {theirs}"
        lines.append(f"| {' | '.join([result['them'], result['title'], str(count), *ends])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
