"""Runs that read what the lower layers make of their rows from disk give the numbers of those that compute it."""

import json
import os
import random
import signal
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from scene import files, write_rows
from transformers import BertModel

from ptv2.backbone import Backbone
from ptv2.data import state_files
from ptv2.model.module import PromptModule

QUIET = {"head": {"pooling": "mean", "dropout": 0.0}}
WITHIN = 2e-6  # of float32: a row's states are computed beside others than in training


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The cache of one test alone."""
    monkeypatch.setenv("PTV2_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "states"


@pytest.fixture
def write(write_config, tiny_bert):
    """`write("names")`: a config with a backbone without dropout and a prompt in its top layer."""

    def made(task="topics", prompt=None, **keys):
        backbone = {"name": str(tiny_bert), "dropout": 0.0}
        return write_config(task, backbone=backbone, prompt={"length": 4, "layers": "top:1"} | (prompt or {}), **keys)

    return made


def left(folder):
    """The logged numbers and the artifact's weights of a run."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return lines, load_file(folder / "prompt" / "weights.safetensors")


def check_same(one, other, within=WITHIN):
    (lines, weights), (others, theirs) = left(one), left(other)
    assert [line.keys() for line in lines] == [line.keys() for line in others]
    for line, known in zip(lines, others, strict=True):
        assert all(line[key] == pytest.approx(known[key], abs=within) for key in line)
    assert all(torch.allclose(weights[name], theirs[name], rtol=0, atol=within) for name in weights)


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("topics", ()),
        ("topics", ("method=head",)),
        ("topics", ("method=head", "head.pooling=pooler", "data.workers=1")),
        ("names", ("prompt.position_offset=true", "data.tokens_per_batch=64")),
        ("ratings", ("prompt.form=[memory,slots]", "data.pad_to_max=true")),
    ],
)
def test_the_same_run_with_and_without(ptv2, write, tmp_path, cache, task, more):
    config = write(task)
    assert ptv2("fit", "--config", config, "run.name=plain", *more).code == 0
    said = ptv2("fit", "--config", config, "run.name=known", "backbone.cache=true", *more)
    assert said.code == 0, said.err
    check_same(tmp_path / "runs" / "plain", tmp_path / "runs" / "known")
    assert len(list(cache.iterdir())) == 2  # training and validation rows


def test_tasks_of_one_batch_read_their_own_states(ptv2, write, cards, tmp_path):
    config = write(tasks={"a": str(cards["topics"]), "b": str(cards["names"])}, mixture={"batches": "mixed"})
    for name, more in (("plain", ()), ("known", ("backbone.cache=true",))):
        assert ptv2("fit", "--config", config, f"run.name={name}", *more).code == 0
    check_same(tmp_path / "runs" / "plain", tmp_path / "runs" / "known")


def test_a_row_of_several_texts_has_the_states_of_all(ptv2, write, tmp_path):
    draw = random.Random(0)
    for split in ("train", "validation"):
        rows = []
        for _ in range(20):
            texts = draw.sample(["cat", "red dog", "a big hen", "the cow"], draw.randint(1, 3))
            right = draw.randint(0, len(texts))
            texts.insert(right, "plum")
            rows.append({"stem": "Ann eats a", "choices": texts, "key": right})
        write_rows(tmp_path / f"{split}.jsonl", rows)
    keys = {"inputs": {"text": "stem", "choices": "choices"}, "label": "key", "metrics": ["accuracy"]}
    card = {"kind": "choice", "dataset": {"path": str(tmp_path)}, "max_length": 28} | keys
    (tmp_path / "stems.yaml").write_text(yaml.safe_dump(card))
    config = write(tasks={"stems": str(tmp_path / "stems.yaml")})
    for name, more in (("plain", ()), ("known", ("backbone.cache=true",))):
        assert ptv2("fit", "--config", config, f"run.name={name}", *more).code == 0
    check_same(tmp_path / "runs" / "plain", tmp_path / "runs" / "known")


def test_half_precision_states_are_near(ptv2, write, tmp_path, cache):
    config = write()
    for name, more in (("plain", ()), ("half", ("backbone.cache=true", "backbone.cache_dtype=bfloat16"))):
        assert ptv2("fit", "--config", config, f"run.name={name}", *more).code == 0
    check_same(tmp_path / "runs" / "plain", tmp_path / "runs" / "half", within=5e-3)
    held = [load_file(file)["states"] for file in cache.rglob("*.safetensors")]
    assert {states.dtype for states in held} == {torch.bfloat16}


def test_the_backbone_runs_no_more_in_more_epochs(ptv2, write, monkeypatch):
    """`head`: it computes each row's states once, and the final scores."""
    computed, ran = [], []
    entering, forward = Backbone.entering, BertModel.forward

    def count(backbone, batch, prompted):
        computed.append(len(batch["input_ids"]))
        return entering(backbone, batch, prompted)

    monkeypatch.setattr(Backbone, "entering", count)
    monkeypatch.setattr(BertModel, "forward", lambda *args, **keys: ran.append(1) or forward(*args, **keys))
    config, known, calls = write(), ("method=head", "backbone.cache=true"), []
    for epochs in (2, 2, 5):
        ran.clear()
        more = (f"trainer.max_epochs={epochs}", f"run.name=run{len(calls)}", f"seed={len(calls)}")
        assert ptv2("fit", "--config", config, *known, *more).code == 0
        calls.append(len(ran))
    assert sum(computed) == 48 + 16  # those of the first run serve all
    assert calls[1] == calls[2] < calls[0]


def test_damaged_files_are_made_again(ptv2, write, tmp_path, cache):
    config, known = write(), ("backbone.cache=true", "method=head")
    assert ptv2("fit", "--config", config, *known, "run.name=whole").code == 0
    whole = files(cache)
    one, two = sorted(file for file in cache.rglob("*.safetensors"))
    data = bytearray(one.read_bytes())
    data[-5] ^= 1
    one.write_bytes(data)
    two.write_bytes(two.read_bytes()[:-100])
    assert ptv2("fit", "--config", config, *known, "run.name=mended").code == 0
    assert files(cache) == whole
    check_same(tmp_path / "runs" / "whole", tmp_path / "runs" / "mended", within=0)


@pytest.mark.parametrize(
    "more", ["prompt.layers=top:2", "task.max_length=12", "backbone.dtype=bfloat16", "data.limit.train=20"]
)
def test_states_of_something_else_are_not_read(ptv2, write, cache, more):
    config = write()
    assert ptv2("fit", "--config", config, "backbone.cache=true", "run.name=one").code == 0
    before = set(cache.iterdir())
    assert ptv2("fit", "--config", config, "backbone.cache=true", "run.name=two", more).code == 0
    assert set(cache.iterdir()) > before


def test_chunks_hold_every_row_once(ptv2, write, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(state_files, "CHUNK", 3000)
    config = write()
    for name, more in (("plain", ()), ("known", ("backbone.cache=true",))):
        assert ptv2("fit", "--config", config, f"run.name={name}", *more).code == 0
    check_same(tmp_path / "runs" / "plain", tmp_path / "runs" / "known")
    assert len(list(cache.rglob("*.safetensors"))) > 8


def test_an_interrupted_run_ends_as_one_that_was_not(ptv2, write, tmp_path, monkeypatch):
    config, known = write(), ("backbone.cache=true",)
    assert ptv2("fit", "--config", config, *known, f"run.folder={tmp_path}/others").code == 0
    whole = PromptModule.training_step

    def signal_and_step(module, batch, index):
        if module.trainer.global_step == 8:
            monkeypatch.setattr(PromptModule, "training_step", whole)
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(module, batch, index)

    monkeypatch.setattr(PromptModule, "training_step", signal_and_step)
    assert ptv2("fit", "--config", config, *known).code == 75
    assert ptv2("fit", "--config", config, *known).code == 0
    check_same(tmp_path / "runs" / "topics", tmp_path / "others" / "topics", within=0)


REFUSED = {
    "the first layer": (("prompt.layers=all",), "backbone.cache: the first layer has a prompt"),
    "dropout": (("backbone.dropout=0.1",), "backbone.cache: the states would not stay the same between epochs"),
    "input": (("method=prompt", "prompt.layers=all"), "method 'prompt' changes what the lower layers compute"),
    "trained": (("method=full", "prompt.layers=all"), "method 'full' changes what the lower layers compute"),
    "union": (("method=[deep,bitfit]",), "method 'deep+bitfit' changes what the lower layers compute"),
    "compiled": (("backbone.compile=true",), "states cannot enter a compiled backbone"),
    "limit": (("backbone.cache_limit=0.00001",), "backbone.cache_limit: the states would take 0.0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_hold_is_refused_in_one_line(ptv2, write, tmp_path, cache, case):
    more, line = REFUSED[case]
    said = ptv2("fit", "--config", write(), "backbone.cache=true", *more)
    assert said.code == 2 and line in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "runs").exists() and not cache.exists()


def test_the_size_is_said_before_anything_is_written(ptv2, write, cache):
    said = ptv2("fit", "--config", write(), "backbone.cache=true", "backbone.cache_dtype=bfloat16", "--dry-run")
    assert said.code == 0
    assert f"states at layer 2: 0.0 MB in {cache}, 0.0 MB to write" in said.out
    assert not cache.exists()
