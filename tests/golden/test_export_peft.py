"""Exported to PEFT, an artifact computes and writes in `PeftModel.from_pretrained` what it does in ptv2."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact
from families import make_batch
from peft import PeftModel
from seq2seq_models import make_lm_batch
from training import load
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

import ptv2
from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.exchange.rotary import half_turned, pairs_turned, rotated

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # PEFT's own call
OFFSET = {"position_offset": True}


@pytest.mark.parametrize("form", ["peft", "peft-cartridge"])
@pytest.mark.parametrize(
    ("family", "kind", "pooling"),
    [("bert", "cls", "pooler"), ("bert", "cls", "dense"), ("bert", "tagging", "cls"), ("electra", "tagging", "cls")],
)
@torch.no_grad()
def test_logits_of_a_task_are_equal(family, kind, pooling, form, tmp_path):
    path = encoder_artifact(family, tmp_path, kind, prompt=OFFSET, head={"pooling": pooling})
    exported = ptv2.export(path, form, tmp_path / "peft")
    assert len(exported.notes) == 1 and exported.notes[0].startswith("checked with PEFT")
    auto = AutoModelForSequenceClassification if kind == "cls" else AutoModelForTokenClassification
    model = auto.from_pretrained(tmp_path / "backbone", num_labels=3)
    theirs = PeftModel.from_pretrained(model, tmp_path / "peft").eval()
    batch = {k: v for k, v in make_batch(family).items() if k != "token_type_ids"}
    module = load(path)
    (head,) = module.heads.values()
    expected, got = head(module.backbone(batch, module.method(3))), theirs(**batch).logits
    real = batch["attention_mask"].bool() if kind == "tagging" else slice(None)
    torch.testing.assert_close(got[real], expected[real], atol=1e-5, rtol=1e-5)


def loaded_by_its_page(folder: Path) -> PeftModel:
    """The model that the lines in the folder's README make."""
    page = (folder / "README.md").read_text().replace("<this folder>", str(folder))
    names: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in page.splitlines() if line.startswith("    ")), names)
    return names["model"].eval()


@pytest.mark.parametrize("kind", ["cls", "tagging", "regression"])
@torch.no_grad()
def test_the_lines_of_the_page_load_the_folder(kind, tmp_path):
    path = encoder_artifact("bert", tmp_path, kind, prompt=OFFSET, head={"pooling": "pooler"})
    ptv2.export(path, "peft", tmp_path / "peft")
    batch = {k: v for k, v in make_batch("bert").items() if k != "token_type_ids"}
    module = load(path)
    (head,) = module.heads.values()
    got = loaded_by_its_page(tmp_path / "peft")(**batch).logits
    expected = head(module.backbone(batch, module.method(3)))
    real = batch["attention_mask"].bool() if kind == "tagging" else slice(None)
    torch.testing.assert_close(got[real].squeeze(), expected[real].squeeze(), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_lines_name_the_token_that_a_causal_classifier_pads_with(tmp_path):
    """Its model says of none, and without one transformers takes no batch of several rows."""
    card = {"kind": "cls", "label": "target", "inputs": {"text": "text"}, "metrics": ["accuracy"], "options": {}}
    path = lm_artifact("gpt2", tmp_path, task=card, prompt=OFFSET, head={"pooling": "last"})
    held = read_artifact(path)
    held.weights["heads.text.out.bias"].zero_()  # the layer of GPT-2's classifier has no bias
    write_artifact(held, path)
    assert ptv2.export(path, "peft", tmp_path / "peft").notes[-1].startswith("checked with PEFT")
    model, batch, module = loaded_by_its_page(tmp_path / "peft"), make_lm_batch("gpt2", (6, 3)), load(path)
    (head,) = module.heads.values()
    batch = {name: batch[name] for name in ("input_ids", "attention_mask")}
    batch["input_ids"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, model.config.pad_token_id)
    expected = head(module.backbone(batch, module.method(2)))
    torch.testing.assert_close(model(**batch).logits, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_head_that_peft_cannot_hold_is_left_out_and_said(tmp_path):
    path = encoder_artifact("roberta", tmp_path, prompt=OFFSET | {"form": "hidden"})
    exported = ptv2.export(path, "peft", tmp_path / "peft")
    assert re.search(
        r"the head of '.*' is left out: .* does not compute a head with head\.pooling=cls", exported.notes[0]
    )
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(tmp_path / "backbone"), tmp_path / "peft").eval()
    batch, module = make_batch("roberta"), load(path)
    expected = module.backbone(batch, module.method(3)).last_BTD
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(theirs(**batch).last_hidden_state[mask], expected[mask], atol=1e-5, rtol=1e-5)


GENERATING = {
    "gpt2": OFFSET,
    "llama": {},
    "llama-offset": OFFSET,
    "qwen3": {},
}


@pytest.mark.parametrize("form", ["peft", "peft-cartridge"])
@pytest.mark.parametrize("name", GENERATING)
@torch.no_grad()
def test_logits_and_greedy_text_of_a_language_model_are_equal(name, form, tmp_path):
    """Four query heads share two of the keys and values in Llama and Qwen3."""
    family = name.partition("-")[0]
    path = lm_artifact(family, tmp_path, prompt=GENERATING[name])
    exported = ptv2.export(path, form, tmp_path / "peft")
    assert any("keys are turned by 4 positions" in note for note in exported.notes) == (not GENERATING[name])
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone")
    theirs, module = PeftModel.from_pretrained(model, tmp_path / "peft").eval(), load(path)
    batch, prompts = make_lm_batch(family), module.method(3)
    mask = batch["attention_mask"].bool()
    expected = module.backbone(batch, prompts, "logits").logits_BTV
    torch.testing.assert_close(theirs(**batch).logits[mask], expected[mask], atol=1e-4, rtol=1e-5)
    batch = make_lm_batch(family, (6, 6))
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    assert torch.equal(
        theirs.generate(**inputs, **settings)[:, 6:], module.backbone.generate(inputs, module.method(2), settings)
    )


@pytest.mark.parametrize("turn", [half_turned, pairs_turned])
def test_turned_keys_are_read_as_before(turn):
    """(R_{t+P} q) . (R_P k) = (R_t q) . k."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(7, 16, generator=generator, dtype=torch.double) for _ in range(2))
    frequencies = 10000.0 ** (-torch.arange(8, dtype=torch.double) / 8)

    def at(states: torch.Tensor, position: int) -> torch.Tensor:
        angles = position * frequencies
        angles = torch.cat([angles, angles]) if turn is half_turned else angles.repeat_interleave(2)
        return rotated(states, angles.cos(), angles.sin(), turn)

    for t, P in ((0, 5), (9, 3), (200, 128)):
        torch.testing.assert_close(at(query, t + P) @ at(key, P).T, at(query, t) @ key.T, atol=1e-12, rtol=0)


REFUSED = [
    (
        "gpt2",
        {},
        {},
        "was trained with tokens from position 0, .* let.* begin at 4; train it with prompt.position_offset",
    ),
    ("mistral", {}, {}, "has a sliding window, which leaves a prefix in the cache behind"),
    ("t5", {}, {}, "has an encoder and a decoder, of which PEFT prompts the latter alone"),
    ("llama", {"layers": "top:1"}, {}, "PEFT prompts every layer with as many positions, and here they differ"),
    ("llama", {"form": "memory"}, {}, "has form 'memory', and a memory stands beside the softmax, which form 'peft'"),
    ("llama", {"form": ["kv", "slots"]}, {}, "slots are neurons of the feed-forward layer"),
    ("llama", {"gate": True}, {}, "its gate scales the attention to the prompt"),
    (
        "llama",
        {},
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
        "rotary scaling 'dynamic' changes with the length of a text",
    ),
]


@pytest.mark.parametrize(("family", "prompt", "save", "says"), REFUSED)
def test_what_cannot_be_exact_is_refused(family, prompt, save, says, tmp_path):
    path = lm_artifact(family, tmp_path, save=save, prompt=prompt)
    with pytest.raises(ptv2.UserError, match=says):
        ptv2.export(path, "peft", tmp_path / "peft")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backbone", path.name, "rows.jsonl"]


@pytest.mark.parametrize("family", ["distilbert", "albert", "modernbert", "deberta-v2"])
def test_families_without_a_cache_are_refused(family, tmp_path):
    path = encoder_artifact(family, tmp_path, prompt=OFFSET if family != "deberta-v2" else {})
    with pytest.raises(ptv2.UserError, match=f"PEFT gives a prefix as a cache, and family '{family}' takes none"):
        ptv2.export(path, "peft", tmp_path / "peft")


def test_a_token_gate_is_refused(tmp_path):
    path = encoder_artifact("bert", tmp_path, prompt={"token_gate": True})
    with pytest.raises(ptv2.UserError, match="its token gate weighs the positions by the text"):
        ptv2.export(path, "peft", tmp_path / "peft")


def test_bad_forms_and_folders_are_refused(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("kept")
    with pytest.raises(ptv2.UserError, match=r"form: unknown form 'pefd'; did you mean 'peft'\?"):
        ptv2.export(tmp_path, "pefd", tmp_path / "out")
    with pytest.raises(ptv2.UserError, match="there: is there already"):
        ptv2.export(tmp_path, "peft", tmp_path / "there")
    path = encoder_artifact("bert", tmp_path / "run", method="ia3")
    with pytest.raises(ptv2.UserError, match="holds method 'ia3', and form 'peft' holds one prefix, prompt"):
        ptv2.export(path, "peft", tmp_path / "out")
    assert json.dumps([p.name for p in (tmp_path / "there").iterdir()]) == '["file"]'
