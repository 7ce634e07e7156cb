#!/bin/bash
# One run on 1 GPU, on N by DDP and on N by FSDP2, whose losses and scores are compared; what it printed is recorded.
#     experiments/gpu/distributed.sh [CONFIG] [N]
# CONFIG names the task and the backbone (the quickstart's by default); N is the number of GPUs of this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
config=${1:-configs/quickstart.yaml}
ranks=${2:-$(nvidia-smi --list-gpus | wc -l)}
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
out=experiments/gpu/distributed
mkdir -p "$out"
[ "$ranks" -gt 1 ] || { echo "needs two GPUs or more" >&2; exit 2; }
still=(prompt.dropout=0 head.dropout=0 backbone.dropout=0 run.overwrite=true "run.folder=$out/runs" trainer.accelerator=gpu)
{
    date -u +%F
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
    "$python" -c 'import lightning, torch; print("torch", torch.__version__, "lightning", lightning.__version__)'
    fit() { "$python" -m ptv2.fit --config "$config" "${still[@]}" "$@"; }
    fit run.name=one "data.batch_size=$((8 * ranks))" trainer.devices=1
    fit run.name=ddp data.batch_size=8 "trainer.devices=$ranks" trainer.strategy=ddp
    fit run.name=fsdp2 data.batch_size=8 "trainer.devices=$ranks" trainer.strategy=fsdp2
    "$python" - "$out/runs" <<'PYTHON'
import json
import sys
from pathlib import Path


def lines(name):
    return [json.loads(line) for line in (Path(sys.argv[1]) / name / "metrics.jsonl").read_text().splitlines()]


one = lines("one")
for name in ("ddp", "fsdp2"):
    off = {}
    for a, b in zip(one, lines(name), strict=True):
        for key in a:
            off[key] = max(off.get(key, 0.0), abs(a[key] - b[key]))
    print(name, "differs from one GPU by at most", {key: f"{value:.1e}" for key, value in off.items()})
PYTHON
} 2>&1 | tee "$out/printed.txt"
