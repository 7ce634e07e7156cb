"""Two DDP ranks: what is done to one or to all of them, and what the run ends with."""

import json
import signal

import pytest
import torch
from disturbed import Scene, at_step, make_mixture, same
from safetensors.torch import load_file

KILL = "os.kill(os.getpid(), signal.SIGKILL)"
IN_IT = "import time; print('in it', flush=True); time.sleep(0.5)"
RANKS = {"rank zero": (0,), "the other": (1,), "all": (0, 1)}
STILL = ("backbone.dropout=0", "prompt.dropout=0", "head.dropout=0")


@pytest.mark.parametrize(
    ("number", "to", "more"),
    [
        pytest.param(number, to, more, marks=() if soon else pytest.mark.faults)
        for number, to, more, soon in (
            (signal.SIGUSR1, "the other", (), True),
            (signal.SIGUSR1, "rank zero", ("data.workers=1",), False),
            (signal.SIGUSR1, "all", (), False),
            (signal.SIGTERM, "the other", ("data.workers=1",), False),
            (signal.SIGTERM, "rank zero", (), False),
            (signal.SIGTERM, "all", ("trainer.accumulate_grad_batches=2", "run.keep_last=1"), False),
        )
    ],
)
def test_a_signal(scene, undisturbed, outcome, number, to, more):
    more = ("run.save_every=null", *more)
    processes = scene.start_ranks(*more, before=(at_step(3, IN_IT),) * 2)
    scene.until(lambda: "in it" in processes[0].streams[0].read_text(), processes[0])
    for rank in RANKS[to]:
        processes[rank].signal(number, group=True)
    first, second = (process.wait() for process in processes)
    assert first.code == second.code == 75
    assert first.line == f"stopped by {number.name}; step 4 is saved, the same command resumes from it"
    assert second.err == second.out == ""
    first, second = scene.run_ranks(*more)
    assert first.whole and second.whole and "step 5/" in first.out and "step 4/" not in first.out
    same(scene.folder, undisturbed(*more, ranks=2))
    outcome(f"{number.name} to {to} of two ranks{', ' + more[1] if more[1:] else ''}", "saved, code 75, same end")


@pytest.mark.faults
def test_a_signal_in_the_last_step(scene, undisturbed, outcome):
    first, second = scene.run_ranks(before=("", at_step(17, "os.kill(os.getpid(), signal.SIGUSR1)")))
    assert first.code == second.code == 75 and first.line.startswith("stopped by SIGUSR1; step 18 is saved")
    assert scene.run_ranks()[0].code == 0
    same(scene.folder, undisturbed(ranks=2))
    outcome("SIGUSR1 to the other of two ranks in the last step", "saved, scored by the next session")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("killed", "step", "more"),
    [
        ("all", 0, ()),
        ("all", 4, ("data.workers=1",)),
        ("all", 11, ("trainer.accumulate_grad_batches=2", "trainer.max_epochs=5")),
        ("rank zero", 6, ()),
        ("the other", 5, ()),
    ],
)
def test_killed(scene, undisturbed, outcome, killed, step, more):
    faults = tuple(at_step(step, KILL) if rank in RANKS[killed] else "" for rank in (0, 1))
    for rank, ended in enumerate(scene.run_ranks(*more, before=faults)):
        if rank in RANKS[killed]:
            assert ended.code == -signal.SIGKILL
        else:
            assert ended.code == 1 and ended.line.startswith(f"error: rank {rank}: another rank has ended or did not")
    assert all(ended.whole for ended in scene.run_ranks(*more))
    same(scene.folder, undisturbed(*more, ranks=2))
    outcome(f"SIGKILL of {killed} of two ranks in step {step}{', ' + more[0] if more else ''}", "goes on, same end")


@pytest.mark.faults
@pytest.mark.parametrize("batches", ["single", "mixed"])
def test_a_mixture_that_is_killed(tmp_path, tiny_bert, cards, zygote, outcome, batches):
    """Twice, within two epochs."""
    scenes = []
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        config = make_mixture(tmp_path / name, tiny_bert, cards, batches=batches, sampling="equal")
        scenes.append(Scene(config, tmp_path / name / "runs" / "topics", zygote))
    killed, whole = scenes
    more = ("prompt.sharing=shared+task", "run.log_every=4", "run.save_every=3")
    assert whole.run_ranks(*more)[0].code == 0
    for step in (5, 10):
        ended = killed.run_ranks(*more, before=(at_step(step, KILL),) * 2)
        assert [rank.code for rank in ended] == [-signal.SIGKILL] * 2
    assert killed.run_ranks(*more)[0].code == 0
    same(killed.folder, whole.folder)
    outcome(f"SIGKILL of two ranks in steps 5 and 10 of a mixture, {batches} batches", "goes on, same end")


@pytest.mark.faults
def test_a_loss_that_is_not_finite_on_one_rank(scene, undisturbed, outcome):
    """Averaged, it is in the gradients of both; the rows are those of the rank that had it."""
    ended = scene.run_ranks(before=("", at_step(7, "return whole(self, batch, index) * float('nan')")))
    assert [rank.code for rank in ended] == [2, 2] and ended[1].err == ""
    start = "error: step 7: the loss of rank 1 is non-finite; the rows are in nonfinite-7-rank1.json; the weights are "
    assert ended[0].line.startswith(start)
    dumped = [json.loads((scene.folder / f"nonfinite-7-rank{rank}.json").read_text()) for rank in (0, 1)]
    assert [rank["what"] for rank in dumped] == ["gradient", "loss"]
    rows = [rank["batches"][0]["rows"] for rank in dumped]
    assert all(rows) and not set(rows[0]) & set(rows[1])
    last = torch.load(scene.checkpoints / "step-00000007.ckpt", weights_only=True)
    assert all(tensor.isfinite().all() for tensor in last["state_dict"].values())
    assert scene.run_ranks()[0].code == 0
    same(scene.folder, undisturbed(ranks=2))
    outcome("the loss of one of two ranks is not finite", "all stop before the update, code 2, same end")


@pytest.mark.faults
@pytest.mark.parametrize("ranks", [(2, 1), (1, 2)])
def test_another_number_of_ranks(scene, undisturbed, outcome, ranks):
    """Goes on within an epoch with batches of the same size in all; float32 sums in another order are all the rest."""
    start = {1: lambda *a, **k: [scene.run(*a, **k)], 2: scene.run_ranks}
    killed = start[ranks[0]](*STILL, before=at_step(8, KILL) if ranks[0] == 1 else (at_step(8, KILL),) * 2)
    assert {ended.code for ended in killed} == {-signal.SIGKILL}
    path = scene.checkpoints / "step-00000008.ckpt"
    (ended, *_) = start[ranks[1]](*STILL, "run.name=other", f"resume={path}")
    assert ended.code == 0 and "step 9/18" in ended.out and "step 8/" not in ended.out, ended
    whole, other = undisturbed(*STILL), scene.folder.with_name("other")
    weights = [load_file(folder / "prompt" / "weights.safetensors") for folder in (whole, other)]
    assert all(float((weights[0][name] - weights[1][name]).abs().max()) < 1e-5 for name in weights[0])
    lines = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (whole, other)]
    for first, second in zip(lines[0][-len(lines[1]) :], lines[1], strict=True):
        assert json.loads(second) == pytest.approx(json.loads(first), abs=1e-4)
    outcome(
        f"a run of {ranks[0]} goes on with {ranks[1]} (ranks), batches of the same size",
        "goes on, same end up to rounding",
    )


@pytest.mark.faults
def test_batches_of_another_size(scene, outcome):
    """The checkpoint's position counts batches: among others it would mean nothing."""
    scene.run_ranks(before=(at_step(8, KILL),) * 2)
    path = scene.checkpoints / "step-00000008.ckpt"
    ended = scene.run("run.name=other", f"resume={path}", "data.batch_size=4")
    assert ended.code == 2 and ended.line.startswith("error: data.batch_size: is 4 on all devices together, and ")
    assert "step-00000008.ckpt counts batches drawn with 8; " in ended.line
    assert not scene.folder.with_name("other").exists()
    outcome("a run of 2 goes on with 1 (ranks), batches of half the size", "refused in one line, code 2")
