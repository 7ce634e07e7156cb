"""SIGKILL at random moments, and at every moment of a save."""

import itertools
import random
import shutil
import signal
import time
from functools import partial

import pytest
from disturbed import same

from ptv2.train.checkpoint_file import read

KILLS = 30
LAST = 18  # save of a run
SETTINGS = [(), ("data.workers=2",), ("trainer.val_check_interval=2", "run.keep_last=1")]

STAGES = {
    "before the file": ("torch.save", "before"),
    "in the middle of the file": ("checkpoint._Hashed.write", "after"),
    "before it is on disk": ("checkpoint._to_disk", "before"),
    "when it is on disk": ("checkpoint._to_disk", "after"),
    "before the checksum": ("checkpoint._write_small", "before"),
    "between checksum and name": ("checkpoint._write_small", "after"),
    "before the folder is on disk": ("checkpoint._sync_folder", "before"),
    "between save and links": ("checkpoint.link", "before"),
    "between last.ckpt and best.ckpt": ("checkpoint.link", "after"),
    "before an old one is removed": ("checkpoint.remove", "before"),
    "in the middle of removing an old one": ("checkpoint.remove", "within"),
    "after an old one is removed": ("checkpoint.remove", "after"),
}
KILL = """
import os, signal, torch
from pathlib import Path
from ptv2.train import checkpoint_file as checkpoint
place, name = '{place}'.rsplit('.', 1)
place = eval(place)
whole, calls = getattr(place, name), []
def replaced(*args, **kwargs):
    calls.append(1)
    due = len(calls) == {call}
    if due and '{when}' == 'before': os.kill(os.getpid(), signal.SIGKILL)
    if due and '{when}' == 'within':
        unlink = Path.unlink
        Path.unlink = lambda *args, **kwargs: (unlink(*args, **kwargs), os.kill(os.getpid(), signal.SIGKILL))
    made = whole(*args, **kwargs)
    if due: os.kill(os.getpid(), signal.SIGKILL)
    return made
setattr(place, name, replaced)
"""


@pytest.mark.parametrize(
    ("stage", "call"),
    [
        pytest.param(
            stage, call, marks=() if call == 5 and stage == "between checksum and name" else pytest.mark.faults
        )
        for stage, call in (*itertools.product(STAGES, (1, 5)), ("before the folder is on disk", LAST))
    ],
)
def test_in_a_save(scene, undisturbed, outcome, stage, call):
    place, when = STAGES[stage]
    ended = scene.run(before=KILL.format(place=place, when=when, call=call))
    assert ended.code == -signal.SIGKILL
    for path in scene.checkpoints.glob("*.ckpt"):
        read(path)  # whatever has its name is whole
    ended = scene.run()
    assert ended.whole, ended
    same(scene.folder, undisturbed())
    outcome(f"SIGKILL in save {call}, {stage}", "nothing lost, same end")


def printed(process, lines):
    return process.streams[0].read_text().count("step ") >= lines


@pytest.mark.faults
@pytest.mark.parametrize("number", range(KILLS))
def test_at_a_random_moment(scene, undisturbed, outcome, number):
    more = SETTINGS[number % len(SETTINGS)]
    draw = random.Random(number)
    undisturbed(*more)
    after = draw.randrange(18)  # lines of its log; 0: while it starts
    while True:
        process = scene.start(*more)
        if after:
            scene.until(partial(printed, process, after), process)
        time.sleep(draw.uniform(0, 0.1 if after else 1))
        process.signal(signal.SIGKILL)
        ended = process.wait()
        if ended.code == -signal.SIGKILL:
            break
        assert ended.whole  # it was faster
        shutil.rmtree(scene.folder)
    ended = scene.run(*more)
    assert ended.whole, ended
    same(scene.folder, undisturbed(*more))
    outcome("SIGKILL at a random moment", "nothing lost, same end")
