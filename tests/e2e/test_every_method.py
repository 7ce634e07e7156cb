"""What every method keeps to: it trains, resumes bit for bit, saves, loads and predicts; so do unions."""

import json
import os
import signal

import pytest
import torch
import yaml
from safetensors.torch import load_file
from scene import write_rows
from seq2seq_models import save_lm

from ptv2.methods import METHODS, method_named
from ptv2.model.module import PromptModule

UNIONS = ["deep+lora", "bitfit+deep", "adapter+lora+ia3"]
SETTINGS = {"full": ("optim.lr=1e-3",), "lora": ("lora.dropout=0.1",), "deep+lora": ("prompt.form=slots",)}
EVERY = pytest.mark.parametrize("method", [*METHODS, *UNIONS])


@EVERY
def test_it_resumes_bit_for_bit_saves_loads_and_predicts(ptv2, write_config, cards, tmp_path, monkeypatch, method):
    config, more = write_config(), (f"method={method}", *SETTINGS.get(method, ()))
    assert ptv2("fit", "--config", config, *more, f"run.folder={tmp_path}/others").code == 0
    whole = PromptModule.training_step

    def interrupted(module, batch, index):
        if module.trainer.global_step == 5:
            monkeypatch.setattr(PromptModule, "training_step", whole)
            os.kill(os.getpid(), signal.SIGINT)
        return whole(module, batch, index)

    monkeypatch.setattr(PromptModule, "training_step", interrupted)
    assert ptv2("fit", "--config", config, *more).code == 130
    said = ptv2("fit", "--config", config, *more)
    assert said.code == 0 and "step 7/12" in said.out and "step 6/12" not in said.out, said

    folder, undisturbed = tmp_path / "runs" / "topics", tmp_path / "others" / "topics"
    weights, wanted = (load_file(f / "prompt" / "weights.safetensors") for f in (folder, undisturbed))
    assert weights.keys() == wanted.keys() and all(torch.equal(weights[name], wanted[name]) for name in wanted)
    results = json.loads((folder / "results.json").read_text())
    assert results["method"] == method
    trains = sum(part["trainable"] for part in results["parameters"].values())
    assert (trains == 34) == (method == "head")  # the head of two labels
    kept = sum(t.numel() for name, t in weights.items() if name.startswith("backbone."))
    assert (kept > 0) == method_named(method).trains_backbone

    lines = (folder / "predictions" / "topics.test.jsonl").read_text()
    rows = cards["topics"].with_suffix("") / "test.jsonl"
    assert ptv2("predict", "--artifact", folder, "--input", rows).out == lines


@EVERY
def test_it_serves_several_kinds_of_task_in_a_batch(ptv2, write_config, cards, tmp_path, method):
    tasks = {name: str(path) for name, path in cards.items()}
    more = (f"method={method}", *SETTINGS.get(method, ()), "mixture.batches=mixed", "trainer.max_epochs=1")
    said = ptv2("fit", "--config", write_config(tasks=tasks), *more)
    assert said.code == 0 and said.err == "", said
    folder = tmp_path / "runs" / "topics"
    scores = json.loads((folder / "results.json").read_text())["scores"]["test"]
    for name, card in cards.items():
        said = ptv2("evaluate", "--artifact", folder, "--task", card, "--json")
        assert json.loads(said.out)["scores"] == scores[name]


WRITERS = [("gpt2", "deep+lora"), ("t5", "adapter"), ("bart", "bitfit"), ("llama", "ia3")]


@pytest.mark.parametrize(("family", "method"), WRITERS)
def test_it_writes_texts(ptv2, write_config, tmp_path, family, method):
    for split, count in (("train", 12), ("validation", 4), ("test", 4)):
        rows = [{"text": "the cat " * (i % 3 + 1), "target": f"a cat {i % 3}"} for i in range(count)]
        write_rows(tmp_path / f"{split}.jsonl", rows)
    card = {
        "kind": "seq2seq",
        "dataset": {"path": str(tmp_path), "columns": ["text", "target"]},
        "inputs": {"source": "text"},
        "label": "target",
        "metrics": ["bleu"],
        "max_length": 32,
        "options": {"max_target_length": 8},
    }
    (tmp_path / "writing.yaml").write_text(yaml.safe_dump(card))
    backbone = {"name": str(save_lm(family, tmp_path / "backbone")), "dropout": 0}
    config = write_config(tasks={"topics": str(tmp_path / "writing.yaml")}, backbone=backbone)
    more = ("trainer.max_epochs=1", "optim.lr=0.1")
    assert ptv2("fit", "--config", config, "method=full", "run.name=other", "optim.lr=1e-9", *more[:1]).code == 0
    said = ptv2("fit", "--config", config, f"method={method}", *more)
    assert said.code == 0, said
    written, other = (tmp_path / "runs" / name / "predictions" / "topics.test.jsonl" for name in ("topics", "other"))
    assert written.read_text() != other.read_text()
    said = ptv2("predict", "--artifact", tmp_path / "runs" / "topics", "--input", tmp_path / "test.jsonl")
    assert said.out == written.read_text()


def test_a_union_is_named_as_a_list_or_with_a_plus(ptv2, write_config, tmp_path):
    short = ("trainer.max_epochs=1",)
    assert ptv2("fit", "--config", write_config(method=["deep", "lora"]), *short, "run.name=a").code == 0
    assert ptv2("fit", "--config", write_config(), *short, "method=[deep,lora]", "run.name=b").code == 0
    assert ptv2("fit", "--config", write_config(), *short, "method=deep+lora", "run.name=c").code == 0
    folders = [tmp_path / "runs" / name for name in "abc"]
    first, *others = (load_file(folder / "prompt" / "weights.safetensors") for folder in folders)
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    assert ptv2("compare", *folders).out.count("(deep+lora)") == 3
    assert "Method `deep+lora` on" in (folders[0] / "prompt" / "README.md").read_text()


def test_a_dry_run_says_what_the_parts_of_a_union_hold(ptv2, write_config):
    said = " ".join(ptv2("fit", "--config", write_config(), "method=deep+lora", "--dry-run").out.split())
    assert "query.A of 3 layers" in said and "encoder layers 0, 1, 2: kv" in said


def test_none_is_looked_for_where_two_methods_of_a_union_have_a_prompt(ptv2, write_config, tmp_path):
    said = ptv2("fit", "--config", write_config(method="deep+prompt", prompt={"init": f"retrieve:{tmp_path}"}))
    assert said.code == 2 and said.err.count("\n") == 1
    assert "prompt.init: 1 tasks, method 'deep+prompt'; retrieve a prompt for one task, with method=deep" in said.err


def test_the_prompt_of_a_union_is_found_in_a_library(ptv2, write_config, tmp_path):
    for method in ("lora", "lora+deep"):
        said = ptv2("fit", "--config", write_config(), f"method={method}", f"run.name={method}", "trainer.max_epochs=1")
        assert said.code == 0
    ways = (f"prompt.init=retrieve:{tmp_path / 'runs'}", "prompt.retrieve.steps=3", "trainer.max_epochs=1")
    for method in ("deep", "deep+lora"):
        assert (
            ptv2(
                "fit", "--config", write_config("names"), *ways, f"method={method}", f"run.folder={tmp_path / method}"
            ).code
            == 0
        )
        results = json.loads((tmp_path / method / "names" / "results.json").read_text())
        assert results["retrieved"]["weights"] == {str(tmp_path / "runs" / "lora+deep"): 1.0}
    said = ptv2("similarity", "--artifact", tmp_path / "runs" / "lora", "--json")
    assert said.code == 2 and "method 'lora' has no prompt" in said.err
