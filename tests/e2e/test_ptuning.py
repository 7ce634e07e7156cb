"""P-Tuning as a user runs it: a template and label words on a masked language model, or virtual tokens in front."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

TEMPLATE = "{prompt:2} {text} is {prompt:1} {mask}"
WORDS = {"animal": ["cat", "dog"], "fruit": "apple"}
TEMPLATED = {"method": "ptuning", "ptuning": {"template": TEMPLATE, "verbalizer": WORDS, "hidden": 8}}
SHORT = {"trainer": {"max_epochs": 1}}


@pytest.fixture(scope="session")
def tiny_mlm(tmp_path_factory, tokenizer) -> Path:
    """A folder with a random BERT, its masked-language-model head and the tokenizer."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("tiny-mlm")
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def write(write_config, tiny_mlm):
    """A config on the masked language model."""
    return lambda task="topics", **keys: write_config(task, **({"backbone": {"name": str(tiny_mlm)}} | keys))


def results(folder):
    return json.loads((folder / "results.json").read_text())


def check_predictions(ptv2, cards, folder, task="topics"):
    """The artifact says of the test rows what its run said, and has its scores."""
    rows = cards[task].with_suffix("") / "test.jsonl"
    lines = (folder / "predictions" / f"{task}.test.jsonl").read_text()
    said = ptv2("predict", "--artifact", folder, "--input", rows, "--task", task)
    assert said.out == lines, said.err
    said = ptv2("evaluate", "--artifact", folder, "--task", cards[task], "--json")
    assert json.loads(said.out)["scores"] == results(folder)["scores"]["test"][task]


def test_a_template_and_a_verbalizer(ptv2, write, cards, tmp_path):
    said = ptv2("fit", "--config", write(**TEMPLATED))
    assert said.code == 0, said.err
    folder = tmp_path / "runs" / "topics"
    check_predictions(ptv2, cards, folder)
    held = load_file(folder / "prompt" / "weights.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in held.items()} == {"prompt.rows.rows.0": (3, 16)}
    assert results(folder)["parameters"]["heads"]["total"] == 0
    losses = [json.loads(line).get("train/loss") for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert min(losses[3:]) < losses[0]


@pytest.mark.parametrize("ptuning", [{"encoder": "mlp"}, {"encoder": "none"}, {"hidden": 6}], ids=str)
def test_other_encoders_and_the_few_shot_mode(ptuning, ptv2, write, cards, tmp_path):
    keys = {"template": TEMPLATE, "verbalizer": WORDS, "tune_backbone": "hidden" in ptuning} | ptuning
    said = ptv2("fit", "--config", write(method="ptuning", ptuning=keys, optim={"lr": 1e-3}, **SHORT))
    assert said.code == 0, said.err
    folder = tmp_path / "runs" / "topics"
    check_predictions(ptv2, cards, folder)
    counts = results(folder)["parameters"]["backbone"]
    assert counts["trainable"] == (counts["total"] if keys["tune_backbone"] else 0)


def test_heads_of_a_backbone_that_was_tuned_start_no_other_run(ptv2, write_config, tmp_path):
    config = write_config(method="ptuning", prompt={"length": 3}, ptuning={"tune_backbone": True}, **SHORT)
    assert ptv2("fit", "--config", config).code == 0
    said = ptv2("fit", "--config", config, f"head.init=artifact:{tmp_path}/runs/topics", "run.name=more")
    assert "its heads read a backbone that was trained with them" in refused(said)


@pytest.mark.parametrize("task", ["topics", "names", "ratings"])
def test_without_a_template_virtual_tokens_stand_in_front_for_any_kind(task, ptv2, write_config, cards, tmp_path):
    said = ptv2("fit", "--config", write_config(task, method="ptuning", prompt={"length": 3}, **SHORT))
    assert said.code == 0, said.err
    check_predictions(ptv2, cards, tmp_path / "runs" / task, task)


def test_two_tasks_with_their_own_words_in_mixed_batches(ptv2, write, cards, tmp_path):
    other = {"card": str(cards["topics"]), "options": {"template": "{mask}: {text} {prompt:3}", "verbalizer": {
        "animal": "cow", "fruit": ["fig", "plum"]}}}  # fmt: skip
    keys = TEMPLATED | {"prompt": {"sharing": "task"}, "mixture": {"batches": "mixed"}} | SHORT
    run = {"folder": str(tmp_path / "runs"), "name": "both"}
    said = ptv2("fit", "--config", write(tasks={"topics": str(cards["topics"]), "more": other}, run=run, **keys))
    assert said.code == 0, said.err
    folder = tmp_path / "runs" / "both"
    rows = cards["topics"].with_suffix("") / "test.jsonl"
    for task in ("topics", "more"):
        said = ptv2("predict", "--artifact", folder, "--input", rows, "--task", task)
        assert said.out == (folder / "predictions" / f"{task}.test.jsonl").read_text(), said.err


def refused(said):
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["ptuning.template={text} {mask}"], "ptuning.template: the template of task 'topics' has no virtual tokens"),
        (["ptuning.template={prompt:2} {text}"], "ptuning.template: '{prompt:2} {text}' has no '{mask}'"),
        (["ptuning.template={prompt:2} {mask}"], "the template does not read the input 'text'"),
        (["ptuning.template=null"], "ptuning.template: a verbalizer needs a template with a {mask}"),
        (["ptuning.verbalizer.animal=zebra"], "the word 'zebra' of label 'animal' is "),
        (["ptuning.verbalizer.fruit=[]"], "ptuning.verbalizer: label 'fruit' of card 'topics' has no words"),
        (
            ["ptuning.verbalizer={animal: cat, fruits: fig}"],
            "unknown label 'fruits' for card 'topics'; did you mean 'fruit'?",
        ),
        (["method=deep"], "ptuning.template: method 'deep' has nothing to put at the places of a template"),
        (["method=full"], "ptuning.template: method 'full' has nothing to put"),
        (["prompt.init=vocab"], "prompt.init: is vocab, and the vectors come out of ptuning.encoder=lstm"),
        (["ptuning.tune_backbone=true", "backbone.dtype=bfloat16"], "backbone.dtype: method 'ptuning' trains the"),
        (["ptuning.encoder=gru"], "lstm"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_in_a_line(changes, message, ptv2, write):
    assert message in refused(ptv2("fit", "--config", write(**TEMPLATED), *changes))


def test_a_length_of_zero_is_refused(ptv2, write):
    said = ptv2("fit", "--config", write(method="ptuning", prompt={"length": 0}))
    assert "prompt.length: is '0', and method 'ptuning' has one prompt, at the input" in refused(said)


def test_a_kind_without_a_mask_is_refused(ptv2, write):
    said = ptv2("fit", "--config", write("names", method="ptuning", ptuning={"template": TEMPLATE}))
    assert "ptuning.template: task 'names' is of kind 'tagging': a mask holds the answer of kind 'cls'" in refused(said)


def test_a_backbone_without_its_head_is_refused(ptv2, write_config, tiny_bert):
    said = refused(ptv2("fit", "--config", write_config(**TEMPLATED)))
    assert f"backbone.name: '{tiny_bert}' was saved without its masked-language-model head (no cls.pred" in said
