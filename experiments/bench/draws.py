"""What does the draw of an epoch cost as rows grow, in time and memory? From 10^4 to 5 * 10^7 rows, lengths at random.

Each size is measured in a process of its own: CPU seconds of one epoch's draw, and the memory that the process needed
beyond its imports and the lengths themselves.

Run: python -m experiments.bench.draws, which writes draws.json
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ptv2.data.batches import epoch_batches
from ptv2.runtime.environment import environment

FILE = Path(__file__).with_name("draws.json")
ROWS = [10**4, 10**5, 10**6, 10**7, 5 * 10**7]
WAYS = {"32 rows": None, "4096 tokens": 4096}  # of a batch


def measure(rows: int, tokens: int | None) -> dict[str, float]:
    """Draw an epoch in this process."""
    epoch_batches(np.ones(100, dtype=np.int32), 32, 0, 0)  # what is prepared once
    lengths = np.random.default_rng(0).integers(5, 60, rows, dtype=np.int32)
    before, began = peak(), time.process_time()
    batches = epoch_batches(lengths, 32, 11, 0, tokens=tokens)
    seconds = time.process_time() - began
    return {
        "cpu_seconds": round(seconds, 3),
        "megabytes": round((peak() - before) / 1e6, 1),
        "batches": len(batches),
        "padding": round(1 - int(lengths.sum(dtype=np.int64)) / batches.padded(lengths), 4),
    }


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure all sizes, or print one: `draws ROWS TOKENS`."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]) or None)))
        return
    lines = []
    for rows in ROWS:
        for way, tokens in WAYS.items():
            command = [sys.executable, "-m", "experiments.bench.draws", str(rows), str(tokens or 0)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            lines.append({"rows": rows, "batch": way} | json.loads(done.stdout))
            print(lines[-1], flush=True)
    FILE.write_text(json.dumps({"environment": environment(), "draws": lines}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
