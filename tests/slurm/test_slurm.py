"""Jobs on a real SLURM: preempted, put back into the queue, and as good as undisturbed."""

import json
import random
import re
import subprocess
import sys

import pytest
import torch
import yaml
from jobs import eventually
from safetensors.torch import load_file
from scene import make_config, topic, write_rows

pytestmark = pytest.mark.slurm
EPOCHS = 60  # enough that two signals find it training


@pytest.fixture
def config(tmp_path, tiny_bert):
    draw = random.Random(3)
    for split, count in {"train": 49, "validation": 16}.items():
        write_rows(tmp_path / f"{split}.jsonl", [topic(draw, i) for i in range(count)])
    card = tmp_path / "topics.yaml"
    keys = {"kind": "cls", "inputs": {"text": "text"}, "metrics": ["accuracy"], "max_length": 24}
    card.write_text(yaml.safe_dump({"dataset": {"path": str(tmp_path)}} | keys))
    (tmp_path / "made").mkdir()
    trainer = {"max_epochs": EPOCHS, "accelerator": "cpu"}
    return make_config(tmp_path / "made", tiny_bert, card, trainer=trainer, optim={"lr": 0.001})


def preempt(cluster, job, log, restarts):
    """Signal a job that is training, as SLURM does before its limit, and see it in the queue again."""
    said = len(log.read_text()) if log.exists() else 0
    eventually(lambda: log.exists() and "  loss " in log.read_text()[said:], 90, "training")
    cluster.ask("scancel", "--signal=USR1", job)
    cluster.wait(job, lambda state: state["Restarts"] == str(restarts))


def test_a_job_that_is_preempted_twice_ends_as_one_that_was_not(cluster, config):
    two = ("--config", config, "trainer.devices=2", "trainer.strategy=ddp")
    job, log = cluster.submit(*two, "run.name=calm")
    assert cluster.end(job)["JobState"] == "COMPLETED", log.read_text()
    runs = config.parent / "runs"

    job, log = cluster.submit(*two, "run.name=preempted")
    preempt(cluster, job, log, 1)
    preempt(cluster, job, log, 2)
    state = cluster.end(job)
    text = log.read_text()
    assert (state["JobState"], state["Restarts"]) == ("COMPLETED", "2"), text
    assert text.count("stopped by SIGUSR1") == 2
    steps = [int(step) for step in re.findall(r"^step (\d+)/", text, re.MULTILINE)]
    assert steps == list(range(1, EPOCHS * 4 + 1))  # none twice, none left out
    first, second = (load_file(runs / name / "prompt" / "weights.safetensors") for name in ("calm", "preempted"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    first, second = ((runs / name / "metrics.jsonl").read_bytes() for name in ("calm", "preempted"))
    assert first == second


def test_an_array_has_a_run_for_each_value_and_requeues_one(cluster, config):
    job, log = cluster.submit("--config", config, "--array", "seed=1,2")
    preempt(cluster, f"{job}_1", log.with_name(log.name.replace("*", "1")), 1)
    states = [cluster.end(f"{job}_{task}") for task in (0, 1)]
    assert [(state["JobState"], state["Restarts"]) for state in states] == [("COMPLETED", "0"), ("COMPLETED", "1")]
    for seed in (1, 2):
        results = json.loads((config.parent / "runs" / f"topics-seed{seed}" / "results.json").read_text())
        assert (results["seed"], results["steps"]) == (seed, EPOCHS * 7)


def test_devices_that_do_not_match_the_allocation_are_refused(cluster, config):
    line = ["srun", "--ntasks=1", "--ntasks-per-node=1", sys.executable, "-m", "ptv2.fit", "--config", str(config)]
    done = subprocess.run([*line, "trainer.devices=2"], capture_output=True, text=True)
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and error.startswith("error: trainer.devices: is 2 on 1 node(s), the SLURM job has 1")
