"""A disk that cannot be written: said before training where that can be known, and nothing that was saved is lost."""

import os
import shutil
import subprocess

import pytest
from disturbed import at_step, same

from ptv2.train.checkpoint_file import read

FILL = (
    "file = open('{folder}/filler', 'ab', buffering=0)\n"
    "            for size in (4096, 1):\n"
    "                try:\n"
    "                    while True: file.write(b'x' * size)\n"
    "                except OSError: pass"
)


@pytest.fixture
def immutable():
    """`immutable(folder, True)`: nothing may be made or removed in it, not even by root, who passes permissions."""
    held = []

    def switch(folder, on=True):
        if shutil.which("chattr") is None or subprocess.run(["chattr", "+i" if on else "-i", folder]).returncode:
            pytest.skip("chattr does not work here")
        held.append(folder)

    yield switch
    for folder in held:
        subprocess.run(["chattr", "-i", folder], check=False)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_folder_that_becomes_read_only(scene, undisturbed, outcome, immutable, tmp_path):
    scene.checkpoints.mkdir(parents=True)
    immutable(scene.checkpoints, True)
    immutable(scene.checkpoints, False)
    scene.checkpoints.rmdir()
    scene.folder.rmdir()
    ended = scene.run(before=at_step(8, f"import subprocess; subprocess.run(['chattr', '+i', '{scene.checkpoints}'])"))
    path = scene.checkpoints / "step-00000009.ckpt"
    assert ended.code == 2 and ended.line.startswith(f"error: {path}: cannot be saved (Operation not permitted); ")
    assert scene.steps() == [6, 7, 8]
    ended = scene.run()
    assert ended.code == 2 and ended.line.startswith(f"error: {scene.checkpoints}: ")
    assert "of checkpoints cannot be written (Operation not permitted)" in ended.line and "step 9/" not in ended.out
    immutable(scene.checkpoints, False)
    assert scene.run().code == 0
    same(scene.folder, undisturbed())
    outcome("checkpoints become read-only", "code 2, refused until writable, same end")


@pytest.mark.faults
def test_a_run_folder_that_cannot_be_made(scene, outcome, immutable, tmp_path):
    (tmp_path / "runs").mkdir()
    immutable(tmp_path / "runs")
    ended = scene.run()
    assert ended.code == 2 and ended.line == (
        f"error: {scene.folder}: cannot be written (Operation not permitted); choose another run.folder"
    )
    outcome("read-only run.folder", "code 2 before training")


def test_a_disk_that_fills_up(scene, undisturbed, outcome, small_disk):
    folder = small_disk / "topics"
    fill = FILL.format(folder=small_disk)
    ended = scene.run(f"run.folder={small_disk}", before=at_step(8, fill))
    assert ended.code == 2 and "No space left on device" in ended.line, ended
    steps = sorted((folder / "checkpoints").glob("step-*.ckpt"))
    assert [path.name for path in steps] == [f"step-0000000{step}.ckpt" for step in (6, 7, 8)]
    for path in steps:
        read(path)
    (small_disk / "filler").unlink()
    ended = scene.run(f"run.folder={small_disk}")
    assert ended.code == 0, ended
    same(folder, undisturbed())
    outcome("disk fills up in step 8", "code 2, checkpoints intact, same end")


def test_a_disk_that_is_too_small(scene, outcome, small_disk):
    (small_disk / "filler").write_bytes(os.urandom(2**20 - 2**14))
    ended = scene.run(f"run.folder={small_disk}")
    assert ended.code == 2
    assert "MiB of checkpoints cannot be written (No space left on device); free some space" in ended.line
    assert "step " not in ended.out
    outcome("disk without room for the checkpoints", "code 2 before the first step")


@pytest.mark.faults
def test_a_disk_that_is_full_when_the_results_are_written(scene, undisturbed, outcome, small_disk):
    fill = FILL.format(folder=small_disk).replace("\n    ", "\n")
    before = "from ptv2.train import fit\nwhole = fit.write_artifact\ndef filled(*args):\n        "
    before += f"{fill}\n        return whole(*args)\nfit.write_artifact = filled\n"
    ended = scene.run(f"run.folder={small_disk}", before=before)
    assert ended.code == 2 and "No space left on device" in ended.line, ended
    (small_disk / "filler").unlink()
    assert scene.run(f"run.folder={small_disk}").code == 0
    same(small_disk / "topics", undisturbed())
    outcome("disk full when the artifact is written", "code 2, scored by the next session")
