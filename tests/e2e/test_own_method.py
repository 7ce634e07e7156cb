"""A method of a few lines, in a file of its own, does everything that the shipped ones do."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from ptv2.errors import UserError
from ptv2.methods import METHODS
from ptv2.methods.base import Method
from ptv2.model.module import PromptModule


class Biases(Method):
    """Trains the biases of the backbone's feed-forward layers."""

    trains_backbone = True

    def __init__(self, config, backbone, artifacts=None):
        super().__init__(config, backbone, artifacts)
        self.biases = [p for name, p in backbone.model.named_parameters() if name.endswith("output.dense.bias")]
        for bias in self.biases:
            bias.requires_grad_(True)

    @classmethod
    def check(cls, config):
        super().check(config)
        if config.prompt.gate:
            raise UserError("method 'biases' has no prompt to gate", where="prompt.gate", do="leave it out")

    def trained(self):
        return self.biases


@pytest.fixture(autouse=True)
def biases(monkeypatch):
    monkeypatch.setitem(METHODS, "biases", Biases)


def test_it_trains_resumes_saves_loads_and_predicts(ptv2, write_config, cards, tmp_path, monkeypatch):
    config = write_config(method="biases")
    assert ptv2("fit", "--config", config, f"run.folder={tmp_path}/others").code == 0

    whole = PromptModule.training_step

    def interrupted(module, batch, index):
        if module.trainer.global_step == 5:
            monkeypatch.setattr(PromptModule, "training_step", whole)
            os.kill(os.getpid(), signal.SIGINT)
        return whole(module, batch, index)

    monkeypatch.setattr(PromptModule, "training_step", interrupted)
    assert ptv2("fit", "--config", config).code == 130
    said = ptv2("fit", "--config", config)
    assert said.code == 0 and "step 7/12" in said.out and "step 6/12" not in said.out

    undisturbed, folder = tmp_path / "others" / "topics", tmp_path / "runs" / "topics"
    weights, wanted = (load_file(f / "prompt" / "weights.safetensors") for f in (folder, undisturbed))
    assert weights.keys() == wanted.keys() and all(torch.equal(weights[name], wanted[name]) for name in wanted)
    assert {name.rpartition(".")[2] for name in weights if name.startswith("backbone.")} == {"bias"}
    counts = json.loads((folder / "results.json").read_text())["parameters"]
    assert 0 < counts["backbone"]["trainable"] < counts["backbone"]["total"]

    lines = (folder / "predictions" / "topics.test.jsonl").read_text()
    rows = cards["topics"].with_suffix("") / "test.jsonl"
    assert ptv2("predict", "--artifact", folder, "--input", rows).out == lines


def test_it_says_itself_what_it_refuses(ptv2, write_config):
    said = ptv2("fit", "--config", write_config(method="biases"), "prompt.gate=true")
    assert said.code == 2 and said.err == "error: prompt.gate: method 'biases' has no prompt to gate; leave it out\n"
    said = ptv2("fit", "--config", write_config(method="bias"))
    assert said.code == 2 and said.err == "error: method: unknown method 'bias'; did you mean 'biases'?\n"
