"""Bad configs and rows, in processes of their own: one line, exit code 2, nothing written. The tables stand in e2e."""

import pytest
from test_bad_config import FILES, OVERRIDES
from test_bad_rows import FAULTS

ROWS = [fault for fault in FAULTS if fault[0] == "topics"]
REFUSED = "refused in one line, code 2, nothing written"


def refused(scene, *more):
    ended = scene.run(*more)
    assert ended.code == 2 and ended.line.startswith("error: "), ended
    assert "Traceback" not in ended.out and not scene.folder.parent.exists()
    return ended.line


def test_there_are_enough_of_them():
    assert len(OVERRIDES) + len(FILES) + len(ROWS) >= 60


@pytest.mark.faults
@pytest.mark.parametrize(("override", "says"), OVERRIDES, ids=[o for o, _ in OVERRIDES])
def test_an_override(scene, outcome, override, says):
    line = refused(scene, override)
    assert all(part in line for part in says), line
    outcome("a bad override", REFUSED)


@pytest.mark.faults
@pytest.mark.parametrize(("text", "says"), FILES, ids=[str(text) for text, _ in FILES])
def test_a_file(scene, outcome, text, says):
    scene.config.write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused(scene)
    assert all(part in line for part in says), line
    outcome("a bad config file", REFUSED)


@pytest.mark.faults
@pytest.mark.parametrize(("task", "change", "says"), ROWS, ids=[says for *_, says in ROWS])
def test_rows(scene, outcome, cards, tmp_path, task, change, says):
    folder = tmp_path / "rows"
    folder.mkdir()
    for source in (cards[task].parent / task).iterdir():
        text = source.read_text()
        changed = change(text) if source.stem == "train" else text
        if changed is not None:
            (folder / source.name).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    line = refused(scene, f"task.dataset.path={folder}")
    assert says.split(":", 2)[0] in line
    outcome("bad rows", REFUSED)
