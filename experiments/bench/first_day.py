"""How long the five commands of docs/tutorials/csv.md take: from a CSV to a trained, scored and used prompt.

Each is a process of its own, in a new folder, on the rows that the page writes.

Run: python -m experiments.bench.first_day, on an idle machine.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.pages import filled
from ptv2.runtime.environment import environment
from ptv2.runtime.files import write_text

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "csv.md"
FILE = Path(__file__).parent / "results" / "first_day.json"
MARKS = ("<!-- times: written by python -m experiments.bench.first_day -->", "<!-- end -->")


def main() -> None:
    """Time the commands, and write their times into the page."""
    page = PAGE.read_text(encoding="utf-8")
    made_of = re.search(r'^```python title="articles.py"\n(.*?)^```', page, re.M | re.S)
    block = re.search(r"^## Five commands\n+```bash\n(.*?)^```", page, re.M | re.S)
    if made_of is None or block is None:
        raise SystemExit(f"{PAGE}: no block of five commands")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "articles.py").write_text(made_of[1], encoding="utf-8")
        for line in block[1].splitlines():
            found.append((line, seconds(shlex.split(line), Path(folder))))
            print(f"{found[-1][1]:7.1f} s  {line}", flush=True)
        score = json.loads(Path(folder, "runs", "articles", "results.json").read_text(encoding="utf-8"))
    about = environment()
    write_text(FILE, json.dumps({"seconds": found, "scores": score["scores"], "environment": about}, indent=1) + "\n")
    write_text(PAGE, filled(page, MARKS, told(found, about)))


def seconds(words: list[str], folder: Path) -> float:
    """Return the time of a command by the clock; stop where it fails."""
    program = [sys.executable, "-m", "ptv2"] if words[0] == "ptv2" else [sys.executable]
    began = time.perf_counter()
    done = subprocess.run(
        [*program, *words[1:]], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)}: {done.stderr}")
    return time.perf_counter() - began


def told(found: list[tuple[str, float]], about: dict[str, Any]) -> str:
    """Say what each command took, and on what."""
    times = ", ".join(f"`{' '.join(shlex.split(line)[:2])}` {took:.0f} s" for line, took in found)
    machine = f"{about['cpu']}, {about['threads']} threads, torch {about['versions']['torch']}"
    return f"Measured once: {times}; {sum(took for _, took in found):.0f} s in all ({machine})."


if __name__ == "__main__":
    main()
