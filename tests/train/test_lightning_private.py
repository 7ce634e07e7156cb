"""What Lightning does not promise is used in one file, and was read in these versions."""

import ast
from importlib.metadata import version
from pathlib import Path

import lightning as L
import pytest

import ptv2

PACKAGE = Path(ptv2.__file__).parent
READ_IN = "2.6"  # raise it after comparing train/lightning_private.py with the sources of the new release
NAMES = (
    "_checkpoint_connector",
    "_batches_that_stepped",
    "_should_accumulate",
    "_get_train_description",
    "_logger_connector",
)


def test_the_installed_release_is_one_that_was_read():
    assert version("lightning").startswith(f"{READ_IN}.")


@pytest.mark.parametrize("name", NAMES)
def test_a_private_name_stands_in_one_file(name):
    found = [path.name for path in PACKAGE.rglob("*.py") if name in path.read_text(encoding="utf-8")]
    assert found == ["lightning_private.py"]


def test_nothing_private_of_a_trainer_is_used_elsewhere():
    used = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                owner = ast.unparse(node.value)
                if owner.startswith(("trainer", "self.trainer", "loop", "L.")) and path.name != "lightning_private.py":
                    used.append(f"{path.name}:{node.lineno} {owner}.{node.attr}")
    assert used == []


def test_a_trainer_has_them():
    trainer = L.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu")
    assert callable(trainer._checkpoint_connector.dump_checkpoint)
    assert trainer.fit_loop.epoch_loop._batches_that_stepped == 0
    assert trainer.fit_loop.epoch_loop.batch_progress.current.completed == 0
    assert callable(trainer.fit_loop._should_accumulate)
