"""Two ranks of which Lightning starts the second: a signal to one of these processes or to both."""

import os
import signal
import subprocess
import sys
import time

import pytest
from disturbed import BASE, TWO, at_step, same

SCRIPT = """
import os, sys, time
from pathlib import Path
Path(f"pid-{os.environ.get('LOCAL_RANK', 0)}").write_text(str(os.getpid()))
from ptv2.commands import fit
from ptv2.commands import shell as command
from ptv2.train.callbacks import signals
%s
if "LOCAL_RANK" not in os.environ:  # longer than Lightning takes to see that another rank has ended
    signals.on_stop = lambda stopped: time.sleep(6)
command.run(fit.main, fit.command_line(), sys.argv[1:])
"""


@pytest.mark.faults
@pytest.mark.parametrize(
    ("number", "to"),
    [
        (signal.SIGUSR1, "rank zero"),
        (signal.SIGTERM, "the other"),
        (signal.SIGTERM, "the group"),
        (signal.SIGINT, "the group"),
    ],
)
def test_a_signal(scene, undisturbed, outcome, tmp_path, number, to):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT % at_step(3, "print('in it', flush=True); time.sleep(0.5)"))
    line = [sys.executable, script, "--config", scene.config, *BASE, *TWO, "run.save_every=null"]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        process = subprocess.Popen(line, stdout=out, stderr=err, cwd=tmp_path, start_new_session=True)
    end = time.monotonic() + 300
    while "in it" not in (tmp_path / "out").read_text():
        assert time.monotonic() < end and process.poll() is None, (tmp_path / "err").read_text()
        time.sleep(0.01)
    if to == "the group":
        os.killpg(process.pid, number)
    else:
        os.kill(int((tmp_path / f"pid-{int(to == 'the other')}").read_text()), number)
    assert process.wait() == (130 if number == signal.SIGINT else 75)
    with pytest.raises(ProcessLookupError):  # nothing outlives it
        os.killpg(process.pid, 0)
    what = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
    said = (tmp_path / "err").read_text()
    assert said == f"{what}; step 4 is saved, the same command resumes from it\n"
    assert all(ended.whole for ended in scene.run_ranks("run.save_every=null"))
    same(scene.folder, undisturbed("run.save_every=null", ranks=2))
    outcome(f"{number.name} to {to} of two ranks", "saved, one line, its exit code, same end")
