"""The script that is submitted to SLURM, and what is refused before anything waits in a queue."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from ptv2.commands import shell as command
from ptv2.commands import slurm


@pytest.fixture
def said(capfd, tmp_path, monkeypatch):
    """`said("--config", ...)`: exit code, what was printed, what was complained about."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = 0
        try:
            command.run(slurm.main, slurm.command_line(), list(map(str, argv)))
        except SystemExit as stop:
            code = stop.code
        return code, *capfd.readouterr()

    return run


@pytest.fixture
def config(tmp_path):
    values = {
        "task": "demo/bbc_topic",
        "backbone": {"name": "some/model"},
        "run": {"folder": str(tmp_path / "two words")},
        "trainer": {"devices": 4, "num_nodes": 2},
    }
    (tmp_path / "a b").mkdir()
    path = tmp_path / "a b" / "big.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture
def ran(tmp_path):
    """`ran(script, 1)`: what `srun` would start as that element of the array."""
    stand_in = tmp_path / "bin"
    stand_in.mkdir()
    (stand_in / "scontrol").write_text("#!/bin/sh\necho node7\necho node8\n")
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['MASTER_ADDR']]))"
    (stand_in / "srun").write_text(f'#!/bin/sh\nexec {sys.executable} -c "{show}" "$@"\n')
    for file in stand_in.iterdir():
        file.chmod(0o755)

    def run(text, task=None):
        env = {**os.environ, "PATH": f"{stand_in}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[7-8]"}
        env |= {"SLURM_ARRAY_TASK_ID": str(task)} if task is not None else {}
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=env, check=True)
        return json.loads(done.stdout)

    return run


def directives(text):
    return [line.removeprefix("#SBATCH ").strip("'") for line in text.splitlines() if line.startswith("#SBATCH ")]


def test_a_run_whose_name_names_a_folder(said, config, tmp_path):
    """As in boolq/first: its script and log are files beside the run folders, which exist only once it has begun."""
    code, text, _ = said("--config", config, "--print", "run.name=boolq/first")
    assert code == 0
    log = f"--output={tmp_path}/two words/slurm-boolq-first-%j.log"
    assert {log, "--job-name=ptv2-boolq-first"} <= set(directives(text))


def test_the_script_asks_for_what_the_config_uses(said, config, tmp_path, ran):
    code, text, _ = said(
        "--config", config, "--print", "--time", "2:00:00", "--sbatch=--partition=gpu", "data.workers=3"
    )
    assert code == 0 and text.startswith("#!/bin/bash\n#SBATCH ")
    asked = directives(text)
    assert {"--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=4", "--time=2:00:00"} <= set(
        asked
    )
    assert {"--signal=USR1@300", "--requeue", "--open-mode=append", "--partition=gpu", f"--chdir={tmp_path}"} <= set(
        asked
    )
    assert f"--output={tmp_path}/two words/slurm-big-%j.log" in asked
    assert not any(option.startswith("--array") for option in asked)
    words, address = ran(text)
    assert address == "node7"
    assert words[-6:] == [sys.executable, "-m", "ptv2.fit", "--config", str(config), "data.workers=3"]
    assert not (tmp_path / "two words").exists()


def test_an_array_has_a_run_for_each_pair_of_values(said, config, tmp_path, ran):
    one = ("trainer.devices=1", "trainer.num_nodes=1", "trainer.accelerator=cpu")
    code, text, _ = said("--config", config, "--array", "seed=1,2", "--array", "optim.lr=0.1,0.2", "--print", *one)
    assert code == 0
    assert "--array=0-3" in directives(text) and not any("gpus" in option for option in directives(text))
    words, address = ran(text, 2)
    assert address == "127.0.0.1"
    assert words[-6:] == [*one, "seed=2", "optim.lr=0.1", "run.name=big-seed2-lr0.1"]


REFUSED = [
    (("optim.lr=-1",), "'optim.lr' is -1"),
    (("trainer.devices=auto",), "trainer.devices: is 'auto'; give a number"),
    (("run.overwrite=true",), "run.overwrite: would delete at every requeue"),
    (("--array", "seed"), "--array: 'seed'; write e.g. --array seed=1,2,3"),
    (("--array", "seed=1,x"), "'seed'"),
    (("--array", "seed=1,1"), "two words/big-seed1: two runs would write here"),
    (("--array", "trainer.devices=1,2"), "differs from the first run's devices"),
]


@pytest.mark.parametrize(("argv", "says"), REFUSED, ids=[" ".join(argv) for argv, _ in REFUSED])
def test_refused_in_one_line(said, config, argv, says, tmp_path):
    code, out, err = said("--config", config, *argv)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert not (tmp_path / "two words").exists()


def test_without_sbatch(said, config, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = said("--config", config)
    assert code == 2 and err == "error: command line: no sbatch on this machine; use --print\n"
