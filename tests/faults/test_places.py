"""What happens to the run's surroundings: its rows, its folder, the clock."""

import itertools
import os
import signal
import time

import pytest
from disturbed import Scene, at_step, same
from scene import make_config

STOPPED = at_step(9, "os.kill(os.getpid(), signal.SIGKILL)")
IN_IT = "import time; print('in it', flush=True)\n            while not os.path.exists('{}'): time.sleep(0.01)"


@pytest.fixture
def own_rows(tmp_path, tiny_bert, cards, zygote):
    """A scene whose rows the test may change."""
    folder = tmp_path / "rows"
    folder.mkdir()
    for path in (cards["topics"].parent / "topics").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = make_config(tmp_path, tiny_bert, cards["topics"])
    config.write_text(config.read_text() + f"\n# {folder}\n")
    scene = Scene(config, tmp_path / "runs" / "topics", zygote)
    return scene, folder, f"task.dataset.path={folder}"


@pytest.mark.parametrize(
    ("split", "change"),
    [
        ("train", "a word"),
        *(
            pytest.param(split, change, marks=pytest.mark.faults)
            for split, change in itertools.product(("train", "validation"), ("a word", "a row less", "another order"))
            if (split, change) != ("train", "a word")
        ),
    ],
)
def test_rows_that_change_between_sessions(own_rows, outcome, split, change):
    scene, folder, path = own_rows
    assert scene.run(path, before=STOPPED).code == -signal.SIGKILL
    file = folder / f"{split}.jsonl"
    before = file.read_text()
    lines = before.splitlines(keepends=True)
    changed = {
        "a word": [lines[0].replace('"text": "', '"text": "the '), *lines[1:]],
        "a row less": lines[:-1],
        "another order": [lines[1], lines[0], *lines[2:]],
    }
    file.write_text("".join(changed[change]))
    os.utime(file, (0, 0))  # its content counts
    ended = scene.run(path)
    assert ended.code == 2 and "step " not in ended.out
    assert ended.line.startswith(f"error: tasks.topics.dataset: the {split} rows are not those that step-00000009.ckpt")
    file.write_text(before)
    ended = scene.run(path)
    assert ended.code == 0 and "step 10/" in ended.out
    outcome(f"{change} changed in the {split} rows", "refused by name, goes on with the old ones")


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.faults)])
def test_two_runs_in_one_folder(scene, undisturbed, outcome, tmp_path, workers):
    more = (f"data.workers={workers}",) if workers else ()
    first = scene.start(*more, before=at_step(8, IN_IT.format(tmp_path / "go")))
    scene.until(lambda: "in it" in first.streams[0].read_text(), first)
    for again in ((), ("run.overwrite=true",), ("resume=never",)):
        second = scene.run(*more, *again)
        assert second.code == 2
        assert second.line.startswith(f"error: {scene.folder}: another run is writing here (process {first.pid} on ")
    if workers:  # its lock is gone with it, also while its workers still live
        first.signal(signal.SIGKILL)
        first.wait()
        assert scene.run(*more).code == 0
    else:
        (tmp_path / "go").touch()
        assert first.wait().code == 0
    same(scene.folder, undisturbed(*more))
    outcome(f"two runs in one folder, {workers} workers", "the second refused, code 2; the first undisturbed")


def test_a_clock_that_goes_backwards(scene, undisturbed, outcome):
    assert scene.run(before=STOPPED).code == -signal.SIGKILL
    for age, path in enumerate(sorted(scene.checkpoints.glob("step-*.ckpt"))):
        os.utime(path, (time.time() - age * 10**6,) * 2)  # the newest step is the oldest file
    ended = scene.run(before="import time; now = time.time; time.time = lambda: now() - 10**7")
    assert ended.code == 0 and "step 10/" in ended.out and "step 9/" not in ended.out
    same(scene.folder, undisturbed())
    outcome("the clock goes back by four months", "steps count, same end")
