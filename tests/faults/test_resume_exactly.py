"""A run that was stopped or killed ends with what it would have ended with, bit for bit."""

import signal

import pytest
from disturbed import Scene, at_step, make_mixture, same

SETTINGS = {
    "dropout": (),
    "two workers": ("data.workers=2",),
    "accumulation": ("trainer.accumulate_grad_batches=4",),
    "validation within the epoch": ("trainer.val_check_interval=2", "run.save_every=null"),
    "max_steps": ("trainer.max_epochs=-1", "trainer.max_steps=15"),
    "epochs alone": ("run.save_every=null",),
    "validation every other epoch": ("trainer.check_val_every_n_epoch=2", "run.keep_last=1"),
}
SOON = [("two workers", 6), ("accumulation", 4), ("validation within the epoch", 5), ("max_steps", 6)]
"""Those that `make test` runs; the others take their time."""


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        pytest.param(settings, step, marks=() if (settings, step) in SOON else pytest.mark.faults)
        for settings in SETTINGS
        for step in (0, 4, 5, 6, 11)
    ],
)
def test_a_killed_run(scene, undisturbed, outcome, settings, step):
    more = SETTINGS[settings]
    step = step // 3 if settings == "accumulation" else step
    ended = scene.run(*more, before=at_step(step, "os.kill(os.getpid(), signal.SIGKILL)"))
    assert ended.code == -signal.SIGKILL
    ended = scene.run(*more)
    assert ended.whole, ended
    same(scene.folder, undisturbed(*more))
    outcome(f"SIGKILL in step {step}, {settings}", "goes on, same end")


MIXTURES = {
    "a batch per task": {"sampling": "temperature:2"},
    "mixed batches": {"batches": "mixed", "sampling": "equal"},
    "annealed": {"sampling": "annealed", "dry": "cycle"},
}


@pytest.mark.parametrize("sharing", ["shared", pytest.param("shared+task", marks=pytest.mark.faults)])
@pytest.mark.parametrize(
    "mixture",
    [pytest.param(name, marks=() if name == "a batch per task" else pytest.mark.faults) for name in MIXTURES],
)
def test_a_mixture_that_is_killed(tmp_path, tiny_bert, cards, zygote, outcome, mixture, sharing):
    """Twice, within two epochs; curves per task, their cosines and counters go on as well."""
    scenes = []
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        config = make_mixture(tmp_path / name, tiny_bert, cards, **MIXTURES[mixture])
        scenes.append(Scene(config, tmp_path / name / "runs" / "topics", zygote))
    killed, whole = scenes
    more = ("data.workers=1", f"prompt.sharing={sharing}", "run.log_every=4", "run.save_every=3")
    assert whole.run(*more).code == 0
    for step in (5, 10):
        ended = killed.run(*more, before=at_step(step, "os.kill(os.getpid(), signal.SIGKILL)"))
        assert ended.code == -signal.SIGKILL
    assert killed.run(*more).code == 0
    same(killed.folder, whole.folder)
    assert "gradients/mean" in (whole.folder / "metrics.jsonl").read_text() or mixture == "mixed batches"
    outcome(f"SIGKILL in steps 5 and 10 of a mixture, {mixture}, {sharing}", "goes on, same end")


@pytest.mark.faults
def test_a_run_that_is_killed_again_and_again(scene, undisturbed, outcome):
    """Every session does one step more, and none of them an epoch."""
    for step in range(1, 18):
        ended = scene.run(before=at_step(step, "os.kill(os.getpid(), signal.SIGKILL)"))
        assert ended.code == -signal.SIGKILL
    assert scene.run().code == 0
    same(scene.folder, undisturbed())
    outcome("SIGKILL in 17 sessions, a step after the other", "goes on, same end")


def test_more_steps_than_an_epoch_ended_with(scene, undisturbed, outcome):
    """Stopped by max_steps exactly at an epoch's end, continued elsewhere with more: no batch twice, none left out."""
    constant = ("optim.schedule=constant", "trainer.max_epochs=-1")
    assert scene.run(*constant, "trainer.max_steps=12").code == 0
    path = scene.checkpoints / "step-00000012.ckpt"
    ended = scene.run(*constant, "trainer.max_steps=15", "run.name=longer", f"resume={path}", "optim.warmup=0")
    assert ended.code == 0 and "step 13/15" in ended.out
    first, second = (scene.folder.with_name("longer"), undisturbed(*constant, "trainer.max_steps=15"))
    whole = (second / "metrics.jsonl").read_text().splitlines()
    later = (first / "metrics.jsonl").read_text().splitlines()
    assert later == whole[-len(later) :] and '"step": 13,' in later[0]
    outcome("max_steps at an epoch's end, then more", "no stray batch, same losses")
