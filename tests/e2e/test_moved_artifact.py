"""An artifact where its backbone has another place, or was saved in another precision."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer


@pytest.fixture(scope="module")
def moved(finished, tmp_path_factory):
    """An artifact whose backbone is gone from where it was, and the place it has now."""
    folder = tmp_path_factory.mktemp("moved")
    shutil.copytree(finished("topics") / "prompt", folder / "prompt")
    about = json.loads((folder / "prompt" / "artifact.json").read_text())
    here = about["config"]["backbone"]["name"]
    about["config"]["backbone"]["name"] = about["backbone"]["name"] = str(folder / "gone")
    (folder / "prompt" / "artifact.json").write_text(json.dumps(about))
    return folder / "prompt", here


def saved(here, folder, dtype):
    """The backbone, saved again in another precision."""
    AutoModel.from_pretrained(here, dtype=torch.float32).to(dtype).save_pretrained(folder)
    AutoTokenizer.from_pretrained(here).save_pretrained(folder)
    return folder


def test_the_new_place_is_asked_for_and_taken(ptv2, finished, moved, cards):
    folder, here = moved
    argv = ("--artifact", folder, "--input", cards["topics"].parent / "topics" / "test.jsonl")
    said = ptv2("predict", *argv)
    assert said.code == 2 and "/gone" in said.err
    assert said.err.endswith("if it has moved, give backbone.name=NEW\n")
    assert len(said.err.splitlines()) == 1
    said = ptv2("predict", *argv, f"backbone.name={here}")
    assert said.out == (finished("topics") / "predictions" / "topics.test.jsonl").read_text()
    said = ptv2("predict", *argv, "backbone.name=./nowhere")  # it was given already
    assert said.code == 2 and "give backbone.name=NEW" not in said.err


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_another_precision_is_taken_if_it_is_allowed(ptv2, finished, moved, cards, tmp_path, dtype):
    folder, here = moved
    name = str(dtype).removeprefix("torch.")
    there = f"backbone.name={saved(here, tmp_path / name, dtype)}"
    argv = ("--artifact", folder, "--input", cards["topics"].parent / "topics" / "test.jsonl", there)
    said = ptv2("predict", *argv)
    assert said.code == 2 and "whose weights differ" in said.err
    assert said.err.endswith(f"if its float32 was saved as {name}, give --allow-other-precision\n")
    said = ptv2("predict", *argv, "--allow-other-precision")
    assert said.code == 0 and said.err == ""
    want = (finished("topics") / "predictions" / "topics.test.jsonl").read_text().splitlines()
    for ours, theirs in zip(map(json.loads, said.out.splitlines()), map(json.loads, want), strict=True):
        assert ours["scores"]["animal"] == pytest.approx(theirs["scores"]["animal"], abs=0.1)
    said = ptv2("evaluate", "--artifact", folder, "--task", cards["topics"], there, "--allow-other-precision")
    assert said.code == 0


def test_other_values_are_refused_all_the_same(ptv2, moved, cards, tmp_path):
    folder, here = moved
    model = AutoModel.from_pretrained(here)
    model.embeddings.word_embeddings.weight.data[0, 0] += 1
    model.half().save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(here).save_pretrained(tmp_path / "other")
    argv = ("--artifact", folder, "--task", cards["topics"], f"backbone.name={tmp_path}/other")
    said = ptv2("evaluate", *argv, "--allow-other-precision")
    assert said.code == 2 and "whose weights differ" in said.err and len(said.err.splitlines()) == 1


def test_weights_that_are_not_finite_are_refused(ptv2, finished, cards, tmp_path):
    folder = shutil.copytree(finished("topics") / "prompt", tmp_path / "damaged")
    weights = load_file(folder / "weights.safetensors")
    name = min(weights)
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, folder / "weights.safetensors")
    said = ptv2("predict", "--artifact", folder, "--input", cards["topics"].parent / "topics" / "test.jsonl")
    assert said.code == 2 and said.out == ""
    assert said.err == f"error: {folder}: weights '{name}' are not finite; copy it again, or train it again\n"


def test_an_older_artifact_does_not_say_enough(ptv2, moved, cards, tmp_path):
    folder, here = moved
    older = shutil.copytree(folder, tmp_path / "older")
    about = json.loads((older / "artifact.json").read_text())
    about["backbone"] = {
        key: value for key, value in about["backbone"].items() if key != "dtype" and not key.startswith("weights_")
    }
    (older / "artifact.json").write_text(json.dumps(about))
    half = saved(here, tmp_path / "half", torch.float16)
    argv = ("--artifact", older, "--task", cards["topics"], f"backbone.name={half}", "--allow-other-precision")
    said = ptv2("evaluate", *argv)
    assert said.code == 2 and "it is too old to hold their fingerprints in other precisions" in said.err
    assert ptv2("evaluate", "--artifact", older, "--task", cards["topics"], f"backbone.name={here}").code == 0
