#!/bin/bash
# One run on 1 GPU, and on N by DDP, FSDP2 and FSDP1, whose losses and scores are compared; what it printed is recorded.
#     experiments/gpu/distributed.sh [N] [CONFIG ...]
# N is the number of GPUs of this machine, each CONFIG names a task and a backbone: by default a classifier and a
# generating task, of which 64 rows are enough.
set -euo pipefail
cd "$(dirname "$0")/../.."
ranks=${1:-$(nvidia-smi --list-gpus | wc -l)}
configs=("${@:2}")
[ "${#configs[@]}" -gt 0 ] || configs=(configs/quickstart.yaml configs/demo/bbc_headline.yaml)
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
out=experiments/gpu/distributed
mkdir -p "$out"
[ "$ranks" -gt 1 ] || { echo "needs two GPUs or more" >&2; exit 2; }
still=(prompt.dropout=0 head.dropout=0 backbone.dropout=0 data.limit.train=64 run.overwrite=true trainer.accelerator=gpu)
{
    date -u +%F
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
    "$python" -c 'import lightning, torch; print("torch", torch.__version__, "lightning", lightning.__version__)'
    for config in "${configs[@]}"; do
        runs=$out/runs/$(basename "$config" .yaml)
        fit() { "$python" -m ptv2.fit --config "$config" "${still[@]}" "run.folder=$runs" "$@"; }
        fit run.name=one "data.batch_size=$((8 * ranks))" trainer.devices=1
        for strategy in ddp fsdp2 fsdp; do
            fit "run.name=$strategy" data.batch_size=8 "trainer.devices=$ranks" "trainer.strategy=$strategy"
        done
        "$python" - "$runs" <<'PYTHON'
import json
import sys
from pathlib import Path


def read(name):
    folder = Path(sys.argv[1]) / name
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = [row for path in sorted((folder / "predictions").iterdir()) for row in path.read_text().splitlines()]
    return lines, [[value for value in json.loads(row).values() if isinstance(value, str)] for row in rows]


one, written = read("one")
for name in ("ddp", "fsdp2", "fsdp"):
    lines, predictions = read(name)
    off = {}
    for a, b in zip(one, lines, strict=True):
        for key in a:
            off[key] = max(off.get(key, 0.0), abs(a[key] - b[key]))
    same = sum(a == b for a, b in zip(written, predictions, strict=True))
    print(name, "differs from one GPU by at most", {key: f"{value:.1e}" for key, value in off.items()})
    print(name, f"has {same} of {len(written)} labels or texts in common with it")
PYTHON
    done
} 2>&1 | tee "$out/printed.txt"
