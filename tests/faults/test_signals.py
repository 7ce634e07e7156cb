"""A run that is asked to stop finishes its step, saves once, and ends with a code that says so."""

import os
import signal
import time

import pytest
from disturbed import at_step, same

IN_IT = "import time; print('in it', flush=True); time.sleep(0.5)"
SLOW_SAVE = """
import time
from ptv2.train import checkpoint_file as checkpoint
write = checkpoint.write
def slow(content, path):
    print('saving', path.name, flush=True)
    time.sleep(1)
    write(content, path)
    print('saved', path.name, flush=True)
checkpoint.write = slow
"""


@pytest.mark.parametrize(
    ("number", "more"),
    [
        pytest.param(number, (more,), marks=() if soon else pytest.mark.faults)
        for number, more, soon in (
            (signal.SIGTERM, "data.workers=2", True),
            (signal.SIGUSR1, "data.workers=2", False),
            (signal.SIGINT, "data.workers=2", False),
            (signal.SIGTERM, "trainer.accumulate_grad_batches=4", False),
            (signal.SIGUSR1, "trainer.accumulate_grad_batches=4", False),
            (signal.SIGINT, "trainer.accumulate_grad_batches=4", False),
        )
    ],
)
def test_a_signal_to_the_process_and_its_workers(scene, undisturbed, outcome, number, more):
    process = scene.start(*more, "run.save_every=null", before=at_step(3, IN_IT))
    scene.until(lambda: "in it" in process.streams[0].read_text(), process)
    process.signal(number, group=True)
    ended = process.wait()
    what = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
    code = 130 if number == signal.SIGINT else 75
    assert ended.code == code
    assert ended.err.splitlines()[-1] == f"{what}; step 4 is saved, the same command resumes from it"
    assert "Traceback" not in ended.err and scene.steps()[-1] == 4
    assert not alive(process.pid)
    ended = scene.run(*more, "run.save_every=null")
    assert ended.whole and "step 5/" in ended.out and "step 4/" not in ended.out
    same(scene.folder, undisturbed(*more, "run.save_every=null"))
    outcome(f"{number.name} to the process group, {more[0]}", f"saved, code {code}, same end")


def alive(group: int) -> bool:
    """Whether a process of the group is left; a worker has a moment to go."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


def test_a_second_signal_during_the_save(scene, undisturbed, outcome):
    process = scene.start("run.save_every=null", before=SLOW_SAVE + at_step(3, IN_IT))
    scene.until(lambda: "in it" in process.streams[0].read_text(), process)
    process.signal(signal.SIGTERM)
    scene.until(lambda: "saving" in process.streams[0].read_text(), process)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGINT):
        process.signal(number)
        time.sleep(0.05)
    ended = process.wait()
    assert ended.code == 75 and ended.line == "stopped by SIGTERM; step 4 is saved, the same command resumes from it"
    assert ended.out.count("saving") == ended.out.count("saved") == 1
    assert scene.run("run.save_every=null").code == 0
    same(scene.folder, undisturbed("run.save_every=null"))
    outcome("four more signals during the save", "ignored, saved once")


@pytest.mark.faults
def test_a_second_interrupt_outside_of_a_save_ends_at_once(scene, undisturbed, outcome):
    process = scene.start(before=at_step(3, IN_IT.replace("0.5", "60")))
    scene.until(lambda: "in it" in process.streams[0].read_text(), process)
    process.signal(signal.SIGINT)
    time.sleep(0.3)
    process.signal(signal.SIGINT)
    ended = process.wait()
    assert ended.code == 130 and ended.line == "interrupted; the same command resumes from the last checkpoint"
    assert scene.run().code == 0
    same(scene.folder, undisturbed())
    outcome("Ctrl-C twice in a step that hangs", "code 130 at once, same end")


@pytest.mark.faults
def test_a_signal_in_the_last_step(scene, undisturbed, outcome):
    ended = scene.run(before=at_step(17, "os.kill(os.getpid(), signal.SIGTERM)"))
    assert ended.code == 75 and ended.line.startswith("stopped by SIGTERM; step 18 is saved")
    ended = scene.run()
    assert ended.code == 0 and "loss" not in ended.out
    same(scene.folder, undisturbed())
    outcome("SIGTERM in the last step", "saved, scored by the next session")


def test_a_signal_while_scoring(scene, undisturbed, outcome):
    """Nothing would be lost, so it ends where it stands."""
    before = "from ptv2.train import fit; import os, signal\n"
    before += "fit.score_splits = lambda *_: os.kill(os.getpid(), signal.SIGUSR1)"
    ended = scene.run(before=before)
    assert ended.code == 75 and ended.line == "stopped by SIGUSR1; start it again"
    ended = scene.run()
    assert ended.code == 0
    same(scene.folder, undisturbed())
    outcome("SIGUSR1 while scoring", "code 75, scored by the next session")


def test_a_signal_before_the_run_begins(scene, outcome):
    """As the imports are under way; unhandled, it would kill the process."""
    ended = scene.run(before="import os, signal; os.kill(os.getpid(), signal.SIGUSR1)")
    assert ended.code == 75 and ended.line == "stopped by SIGUSR1; start it again"
    assert not scene.folder.exists()
    outcome("SIGUSR1 while imports are under way", "code 75, nothing written")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("scontrol", "says"),
    [
        ("exit 0", None),
        ("echo no; echo such job >&2; echo here >&2; exit 1", "such job here"),
        (None, "No such file or directory"),
    ],
    ids=["works", "refuses", "missing"],
)
def test_in_a_slurm_job(scene, outcome, tmp_path, scontrol, says):
    """Lightning would install handlers that save inside of them and call scontrol; ours calls it once, at the end."""
    (tmp_path / "bin").mkdir()
    if scontrol is not None:
        (tmp_path / "bin" / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\n{scontrol}\n')
        (tmp_path / "bin" / "scontrol").chmod(0o755)
    job = {"JOB_ID": 1, "NTASKS": 1, "JOB_NAME": "fit", "PROCID": 0, "LOCALID": 0, "NODEID": 0, "NODELIST": "localhost"}
    job = {f"SLURM_{key}": str(value) for key, value in job.items()} | {"PATH": str(tmp_path / "bin")}
    job = f"import os; os.environ |= {job}\n"
    ended = scene.run(before=job + at_step(3, "os.kill(os.getpid(), signal.SIGUSR1)"))
    *warned, line = ended.err.splitlines()
    assert ended.code == 75 and line.startswith("stopped by SIGUSR1; step 4 is saved")
    assert warned == ([] if says is None else [f"warning: the job is not requeued: scontrol: {says}"])
    assert scontrol is None or (tmp_path / "called").read_text() == "requeue 1\n"
    assert not list(scene.folder.rglob("hpc_ckpt*"))
    outcome("SIGUSR1 in a SLURM job", "saved, requeued once" if says is None else "saved, one warning: not requeued")
