"""What SLURM gave is compared with what the config asks for, before anything waits for ranks that never come."""

import pytest

from ptv2.errors import UserError
from ptv2.runtime.scheduler import check_allocation, job_id

JOB = {
    "SLURM_JOB_ID": "70",
    "SLURM_NTASKS": "4",
    "SLURM_NNODES": "2",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS_PER_NODE": "2",
}
FITS = {"devices": 2, "num_nodes": 2}


@pytest.fixture
def job(monkeypatch):
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_JOB_NAME", raising=False)
    return monkeypatch


def test_an_allocation_that_fits(job):
    check_allocation(FITS)
    check_allocation(FITS | {"devices": [0, 1]})
    check_allocation(FITS | {"devices": "auto"})


@pytest.mark.parametrize(
    ("trainer", "says"),
    [
        (FITS | {"devices": 4}, "trainer.devices: is 4 on 2 node(s), the SLURM job has 4 task(s)"),
        (FITS | {"devices": [0]}, "trainer.devices: is 1 on 2 node(s), the SLURM job has 4 task(s)"),
        ({"num_nodes": 2}, "trainer.devices: is 1 on 2 node(s), the SLURM job has 4 task(s)"),
        ({"devices": 4}, "trainer.num_nodes: is 1, the SLURM job has 2 node(s)"),
    ],
)
def test_one_that_does_not(job, trainer, says):
    with pytest.raises(UserError) as error:
        check_allocation(trainer)
    assert str(error.value).startswith(says)


def test_a_batch_script_that_forgot_srun(job):
    job.delenv("SLURM_STEP_ID")
    with pytest.raises(UserError, match="one process was started for 4 SLURM tasks; start it with srun"):
        check_allocation(FITS)


def test_tasks_without_a_number_per_node(job):
    job.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(UserError, match="--ntasks without --ntasks-per-node; use --ntasks-per-node=2"):
        check_allocation(FITS)


@pytest.mark.parametrize("name", ["bash", "interactive"])
def test_an_interactive_shell_may_run_anything(job, name):
    job.setenv("SLURM_JOB_NAME", name)
    check_allocation({"devices": 1})


def test_torchrun_inside_a_job_brings_its_own_ranks(job):
    job.setenv("TORCHELASTIC_RUN_ID", "x")
    check_allocation({"devices": 8})


def test_what_scontrol_calls_the_job(job):
    assert job_id() == "70"
    job.setenv("SLURM_ARRAY_JOB_ID", "69")
    job.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert job_id() == "69_1"
