"""Checkpoints that something else damaged: named, passed over, never executed."""

import hashlib
import os
import pickle
import random
import signal

import pytest
import torch
from disturbed import at_step, same

from ptv2.errors import UserError
from ptv2.train import checkpoint_file as checkpoint

STOPPED = at_step(9, "os.kill(os.getpid(), signal.SIGKILL)")


def checksum(path):
    """What a damage that happened before the checksum was taken would look like."""
    path.with_name(path.name + ".sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def truncated_and_summed(path):
    truncated(path)
    checksum(path)


def bit_flipped(path):
    content = bytearray(path.read_bytes())
    content[random.Random(0).randrange(len(content))] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def empty_and_summed(path):
    empty(path)
    checksum(path)


def foreign(path):
    torch.save({"state_dict": {"weight": torch.zeros(3)}}, path)
    checksum(path)


def no_checkpoint_at_all(path):
    path.write_text("dear diary")
    checksum(path)


def without_a_checksum(path):
    path.with_name(path.name + ".sha256").unlink()


def gone(path):
    path.unlink()


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


def malicious(path):
    bad = Malicious()
    bad.proof = path.parent / "executed"
    torch.save({"format": 1, "state_dict": bad}, path)
    checksum(path)


def malicious_pickle(path):
    bad = Malicious()
    bad.proof = path.parent / "executed"
    path.write_bytes(pickle.dumps(bad))
    checksum(path)


DAMAGES = {
    truncated: "is damaged (it differs from its checksum)",
    truncated_and_summed: "is damaged (",
    bit_flipped: "is damaged (it differs from its checksum)",
    empty: "is damaged (it differs from its checksum)",
    empty_and_summed: "is damaged (",
    foreign: "is not a checkpoint of this format",
    no_checkpoint_at_all: "holds more than tensors and plain values, so it was not loaded",
    without_a_checksum: "cannot be verified (its checksum is missing)",
    malicious: "holds more than tensors and plain values, so it was not loaded",
    malicious_pickle: "holds more than tensors and plain values, so it was not loaded",
}


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """A small checkpoint, as it is written."""
    path = tmp_path_factory.mktemp("checkpoints") / checkpoint.name(3)
    checkpoint.write({"format": checkpoint.FORMAT, "state_dict": {"a": torch.arange(500.0)}, "global_step": 3}, path)
    return path


@pytest.fixture
def copy(written, tmp_path):
    for path in written.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path / written.name


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_is_refused(copy, damage):
    torch.testing.assert_close(checkpoint.read(copy)["state_dict"]["a"], torch.arange(500.0), rtol=0, atol=0)
    damage(copy)
    with pytest.raises(UserError) as refused:
        checkpoint.read(copy)
    assert str(refused.value).startswith(f"{copy}: {DAMAGES[damage]}"), refused.value
    assert not (copy.parent / "executed").exists()


def test_every_bit_counts(copy, outcome):
    content = copy.read_bytes()
    for place in random.Random(1).sample(range(len(content)), 100):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        copy.write_bytes(changed)
        with pytest.raises(UserError, match="differs from its checksum"):
            checkpoint.read(copy)
    outcome("one bit flipped, at 100 places", "refused")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, marks=() if damage is malicious else pytest.mark.faults, id=damage.__name__)
        for damage in (*DAMAGES, gone)
    ],
)
def test_the_newest_is_passed_over(scene, undisturbed, outcome, damage):
    assert scene.run("run.save_every=2", before=STOPPED).code == -signal.SIGKILL
    assert scene.steps() == [6, 8]
    newest = scene.checkpoints / "step-00000008.ckpt"
    damage(newest)
    ended = scene.run("run.save_every=2")
    assert ended.code == 0 and "step 7/" in ended.out and "step 6/" not in ended.out
    if damage is gone:
        assert ended.err == ""
    else:
        assert ended.line.startswith(f"warning: skipped a checkpoint: {newest}: {DAMAGES[damage]}")
    assert not (scene.checkpoints / "executed").exists()
    same(scene.folder, undisturbed("run.save_every=2"))
    outcome(f"newest checkpoint {damage.__name__.replace('_', ' ')}", "passed over by name, same end")


def test_all_are_broken(scene, undisturbed, outcome):
    assert scene.run("run.save_every=2", before=STOPPED).code == -signal.SIGKILL
    for path in scene.checkpoints.glob("step-*.ckpt"):
        truncated(path)
    ended = scene.run("run.save_every=2")
    assert ended.code == 0 and "step 1/" in ended.out
    named = [line for line in ended.err.splitlines() if line.startswith("warning: skipped a checkpoint")]
    assert len(named) == len(ended.err.splitlines()) == 2
    same(scene.folder, undisturbed("run.save_every=2"))
    outcome("all checkpoints truncated", "both named, afresh, same end")


@pytest.mark.faults
def test_the_best_is_broken(scene, outcome):
    assert scene.run("run.save_every=2", "run.keep_last=1", before=STOPPED).code == -signal.SIGKILL
    assert scene.steps() == [6, 8]  # the best and the last
    truncated(scene.checkpoints / "step-00000006.ckpt")
    ended = scene.run("run.save_every=2", "run.keep_last=1")
    assert ended.code == 0 and "step 9/" in ended.out and "step 8/" not in ended.out
    assert ended.line.startswith(
        "warning: the best checkpoint cannot be used, so the best is chosen among later steps: "
    )
    outcome("best checkpoint truncated", "named, the best of the rest is used")


@pytest.mark.faults
def test_one_that_was_asked_for_is_not_passed_over(scene, outcome):
    assert scene.run("run.save_every=2", before=STOPPED).code == -signal.SIGKILL
    path = scene.checkpoints / "step-00000008.ckpt"
    bit_flipped(path)
    ended = scene.run("run.save_every=2", f"resume={path}")
    assert ended.code == 2 and ended.line.startswith(f"error: {path}: is damaged")
    outcome("resume=PATH of a damaged checkpoint", "one line, code 2")


def test_a_checkpoint_of_another_model(scene, outcome):
    assert scene.run("run.save_every=2", before=STOPPED).code == -signal.SIGKILL
    path = scene.checkpoints / "step-00000008.ckpt"
    for more in ("prompt.length=5", "prompt.layers=top:1", "method=head"):
        ended = scene.run("run.name=other", f"resume={path}", more)
        assert ended.code == 2 and ended.line.startswith(f"error: {path}: "), ended
        assert ended.line.endswith("; use the config it was made with")
        assert not scene.folder.with_name("other").exists()
    outcome("resume=PATH of a checkpoint of another model", "one line, code 2")
