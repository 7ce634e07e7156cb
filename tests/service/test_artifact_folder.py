"""Names lead to artifacts inside of the folder, whatever a request writes."""

import os
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from ptv2.errors import UserError
from ptv2.service.folder import ArtifactFolder
from ptv2.service.refused import Refused


@pytest.fixture
def folder(tmp_path, encoder_folder):
    inside = tmp_path / "served"
    shutil.copytree(encoder_folder / "topics", inside / "topics")
    shutil.copytree(encoder_folder / "topics", inside / "run" / "prompt")
    shutil.copytree(encoder_folder / "topics", tmp_path / "outside")
    (inside / "empty").mkdir()
    (inside / "file").write_text("no folder")
    return ArtifactFolder(inside)


def test_artifacts_and_run_folders_are_found(folder):
    assert folder.names() == ["run", "topics"]
    assert folder.place("run") == folder.root / "run" / "prompt"


@pytest.mark.parametrize(
    "name",
    ["..", ".", "../outside", "topics/../../outside", "/etc", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", "a" * 256],
)
def test_a_name_that_could_lead_elsewhere_is_no_name(folder, name):
    with pytest.raises(Refused) as refused:
        folder.read(name)
    assert (refused.value.status, refused.value.code) == (400, "bad_name")


@pytest.mark.parametrize("name", ["", "nothing", "empty", "file", "outside", "ünïcode", "~"])
def test_a_name_that_nothing_has_is_not_found(folder, name):
    with pytest.raises(Refused) as refused:
        folder.read(name)
    assert (refused.value.status, refused.value.code) == (404, "no_such_artifact")


def test_links_lead_nowhere_outside(folder, tmp_path):
    os.symlink(tmp_path / "outside", folder.root / "linked")
    os.symlink("topics", folder.root / "alias")
    (folder.root / "half").mkdir()
    for file in ("artifact.json", "weights.safetensors"):
        os.symlink(tmp_path / "outside" / file, folder.root / "half" / file)
    for name in ("linked", "half"):
        with pytest.raises(Refused, match=f"no artifact '{name}'"):
            folder.read(name)
    assert folder.names() == ["alias", "run", "topics"]


def test_what_is_held_does_not_change_with_the_file(folder):
    artifact, version = folder.read("topics")
    file = folder.root / "topics" / "weights.safetensors"
    before = {name: tensor.clone() for name, tensor in load_file(file).items()}
    with file.open("r+b") as opened:
        opened.seek(-64, os.SEEK_END)
        opened.write(b"\0" * 64)
    assert all(artifact.weights[name].equal(tensor) for name, tensor in before.items())
    assert folder.read("topics")[1] != version
    file.write_bytes(b"")  # a process that maps this file would be killed at its next look
    assert all(artifact.weights[name].equal(tensor) for name, tensor in before.items())


def test_no_place_of_this_machine_stands_in_a_message(folder):
    (folder.root / "topics" / "artifact.json").write_text("{")
    with pytest.raises(UserError, match=r"^topics: cannot be read"):
        folder.read("topics")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        ArtifactFolder(tmp_path / "nothing")


def test_a_folder_that_cannot_be_entered_is_no_artifact_and_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    entered = Path.is_file

    def is_file(path):
        if "lost" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return entered(path)

    (folder.root / "lost").mkdir()
    monkeypatch.setattr(Path, "is_file", is_file)
    assert folder.names() == ["run", "topics"]

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(UserError, match=r"topics: cannot be read \(Permission denied\)"):
        folder.read("topics")
