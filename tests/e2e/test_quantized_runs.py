"""Runs on a quantised backbone: the artifact loads the same way, by the key in its config."""

import json

import pytest

pytest.importorskip("torchao")

PACKAGES = {"int8": "torchao", "int4": "bitsandbytes"}
INT8 = "backbone.quantize=int8"


@pytest.mark.parametrize(("task", "kind"), [("topics", "int8"), ("names", "int8"), ("names", "int4")])
def test_an_artifact_predicts_as_the_run_did(task, kind, ptv2, write_config, finished, cards, tmp_path):
    pytest.importorskip(PACKAGES[kind])
    said = ptv2("fit", "--config", write_config(task), f"backbone.quantize={kind}")
    assert said.code == 0 and PACKAGES[kind] not in said.err, said.err
    folder, plain = tmp_path / "runs" / task, finished(task)
    results, expected = (json.loads((run / "results.json").read_text()) for run in (folder, plain))
    assert results["parameters"] == expected["parameters"]
    about, other = (json.loads((run / "prompt" / "artifact.json").read_text()) for run in (folder, plain))
    assert about["config"]["backbone"]["quantize"] == kind
    assert about["backbone"]["weights"] == other["backbone"]["weights"]

    said = ptv2("evaluate", "--artifact", folder, "--task", cards[task], "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["scores"] == results["scores"]["test"][task]


def test_a_prompt_that_was_trained_on_plain_weights_serves_quantised_ones(ptv2, finished, cards):
    """And the other way round: the fingerprint is that of the same weights."""
    said = ptv2("evaluate", "--artifact", finished("topics"), "--task", cards["topics"], "--json", INT8)
    expected = json.loads((finished("topics") / "results.json").read_text())["scores"]["test"]["topics"]
    assert said.code == 0, said.err
    assert json.loads(said.out)["scores"]["accuracy"] == pytest.approx(expected["accuracy"], abs=0.1)


def test_two_artifacts_of_other_weights_are_not_joined(ptv2, write_config, finished, cards, tmp_path):
    assert ptv2("fit", "--config", write_config("names"), INT8).code == 0
    rows = cards["topics"].parent / "topics" / "test.jsonl"
    both = ("--artifact", finished("topics"), "--artifact", tmp_path / "runs" / "names")
    said = ptv2("predict", *both, "--input", rows)
    assert said.code == 2 and "has backbone.quantize 'int8'" in said.err, said.err


def test_a_method_that_trains_the_backbone_is_refused(ptv2, write_config, tmp_path):
    said = ptv2("fit", "--config", write_config(), INT8, "method=full")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "backbone.quantize: method 'full' trains the backbone, and quantised weights cannot be" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_linear_probe_learns_on_it(ptv2, write_config):
    assert ptv2("fit", "--config", write_config(), INT8, "method=head").code == 0
