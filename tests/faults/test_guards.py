"""What goes wrong in the training itself, and is caught before it does harm."""

import json

import pytest
import torch
from disturbed import at_step, same

NAN = "return whole(self, batch, index) * float('nan')"
INFINITE = (
    "handle = next(self.method.parameters()).register_hook(lambda grad: (handle.remove(), grad * float('inf'))[1])"
)


@pytest.mark.parametrize(("fault", "what"), [(NAN, "loss"), (INFINITE, "gradient")])
@pytest.mark.parametrize("more", [(), pytest.param(("trainer.accumulate_grad_batches=2",), marks=pytest.mark.faults)])
def test_what_is_not_finite_stops_before_the_update(scene, undisturbed, outcome, fault, what, more):
    ended = scene.run(*more, before=at_step(7, fault))
    assert ended.code == 2
    assert ended.line.startswith(f"error: step 7: the {what} is non-finite; the rows are in nonfinite-7.json; ")
    dumped = json.loads((scene.folder / "nonfinite-7.json").read_text())
    assert dumped["step"] == 7 and len(dumped["batches"]) == (2 if more else 1)
    for batch in dumped["batches"]:
        assert batch["task"] == "topics" and 1 <= len(set(batch["rows"])) <= 8
    last = torch.load(scene.checkpoints / "step-00000007.ckpt", weights_only=True)
    assert all(tensor.isfinite().all() for tensor in last["state_dict"].values())
    assert scene.run(*more).code == 0  # it was put in once; the same rows are fine now
    same(scene.folder, undisturbed(*more))
    outcome(f"{what} is not finite, {' '.join(more)}".rstrip(", "), "code 2, rows named, nothing lost, same end")


def test_the_rows_are_those_of_the_batch(scene):
    """The rows that are dumped make the loss that is not finite, and no others do."""
    marked = "return whole(self, batch, index) * (float('nan') if 31 in batch['row'].tolist() else 1)"
    ended = scene.run(
        before=at_step(0, "pass").replace("if self.trainer.global_step == 0:", "if True:").replace("pass", marked)
    )
    assert ended.code == 2
    (path,) = scene.folder.glob("nonfinite-*.json")
    assert 31 in json.loads(path.read_text())["batches"][0]["rows"]


@pytest.mark.parametrize("fault", [NAN, pytest.param(INFINITE, marks=pytest.mark.faults)])
def test_an_update_may_be_left_out(scene, outcome, fault):
    ended = scene.run(
        "guard.on_nonfinite=skip:2", "run.keep_last=20", before=at_step(7, fault).replace("== 7", "in (7, 9)")
    )
    assert ended.code == 0 and len(ended.err.splitlines()) == 2
    assert ended.err.startswith("warning: step 7: the ") and "update skipped (1 of 2)" in ended.err
    at = {
        step: torch.load(scene.checkpoints / f"step-{step:08d}.ckpt", weights_only=True) for step in (7, 8, 9, 10, 11)
    }
    for before, after, left_out in ((7, 8, True), (8, 9, False), (9, 10, True), (10, 11, False)):
        moved = [
            not torch.equal(at[before]["state_dict"][name], at[after]["state_dict"][name])
            for name in at[7]["state_dict"]
        ]
        assert any(moved) != left_out, (before, after)
        moments = [at[step]["optimizer_states"][0]["state"][0]["exp_avg"] for step in (before, after)]
        assert torch.equal(*moments) == left_out
    outcome("two non-finite updates, skip:2", "skipped, named, the others as ever")


@pytest.mark.faults
def test_more_than_may_be_left_out(scene, outcome):
    """Counted over all sessions of the run."""
    late = at_step(7, NAN).replace("== 7", ">= 7")
    stop = at_step(8, "os.kill(os.getpid(), signal.SIGTERM)")
    ended = scene.run("guard.on_nonfinite=skip:2", before=late + stop)
    assert ended.code == 75
    ended = scene.run("guard.on_nonfinite=skip:2", before=late)
    assert ended.code == 2 and "(2 such updates were skipped before)" in ended.err.splitlines()[-1]
    assert "error: step 9: the loss is non-finite" in ended.err
    outcome("three updates not finite, skip:2", "the third stops, code 2")


def test_predictions_that_collapse(scene, outcome):
    pushed = "import torch; self.heads['topics'].out.bias.data.copy_(torch.tensor([100.0, -100.0]))"
    ended = scene.run("optim.lr=1e-9", before=at_step(0, pushed))
    assert ended.code == 0
    assert ended.line.startswith(
        "warning: topics: every validation row is predicted as 'animal' in the last two validations"
    )
    outcome("predictions collapse to one class", "warned once, with advice")


@pytest.mark.faults
def test_a_step_that_hangs(scene, undisturbed, outcome):
    ended = scene.run("guard.step_timeout=3", before=at_step(8, "import time; time.sleep(120)"))
    assert ended.code == 2 and ended.line.startswith("error: step 8: no step was finished for 3 s (guard.step_timeout)")
    assert "in training_step" in (scene.folder / "hang.txt").read_text()
    ended = scene.run("guard.step_timeout=3")
    assert ended.code == 0, ended
    same(scene.folder, undisturbed())
    outcome("a step that hangs, guard.step_timeout=3", "stacks written, code 2, same end")


@pytest.mark.faults
def test_a_step_that_hangs_where_the_stacks_cannot_be_written(scene):
    pipe = f"import time; os.mkfifo({str(scene.folder / 'hang.txt')!r}); time.sleep(120)"  # nobody reads it
    ended = scene.run("guard.step_timeout=3", before=at_step(8, pipe))
    assert ended.code == 2 and ended.line.startswith("error: step 8: no step was finished for 3 s (guard.step_timeout)")


def test_a_worker_that_dies(scene, undisturbed, outcome):
    kill = "import multiprocessing; os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)"
    ended = scene.run("data.workers=2", before=at_step(8, kill))
    assert ended.code == 2 and ended.line.startswith("error: data.workers: a DataLoader worker was killed (")
    assert scene.run("data.workers=2").code == 0
    same(scene.folder, undisturbed("data.workers=2"))
    outcome("a worker is killed", "code 2, same end")
