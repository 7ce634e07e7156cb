"""Prompt tuning and LoRA, exported to PEFT, compute and write in `PeftModel.from_pretrained` what they do in ptv2."""

import json

import pytest
import torch
from exchanged import encoder_artifact, lm_artifact
from families import make_batch, make_model, make_tokenizer
from peft import PeftModel
from safetensors.torch import load_file
from seq2seq_models import make_lm_batch
from training import load, save_without_pooler
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

import ptv2
from ptv2.artifact.files import read_artifact

pytestmark = [  # PEFT's own
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
    pytest.mark.filterwarnings("ignore:Position ids are not supported"),
]
P = 4
CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def written(folder) -> dict:
    return json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("family", "method"),
    [(family, method) for family in ("gpt2", "llama", "t5", "bart") for method in ("prompt", "lora")]
    + [("gpt2", "ptuning")],
)
@torch.no_grad()
def test_logits_and_greedy_text_of_a_language_model_are_equal(family, method, tmp_path):
    path = lm_artifact(family, tmp_path, method=method)
    exported = ptv2.export(path, "peft", tmp_path / "peft")
    assert [note[:17] for note in exported.notes] == ["checked with PEFT"]
    encodes = family in ("t5", "bart")
    auto = AutoModelForSeq2SeqLM if encodes else AutoModelForCausalLM
    theirs = PeftModel.from_pretrained(auto.from_pretrained(tmp_path / "backbone"), tmp_path / "peft").eval()
    assert written(tmp_path / "peft")["task_type"] == ("SEQ_2_SEQ_LM" if encodes else "CAUSAL_LM")
    module, batch = load(path), make_lm_batch(family)
    in_front = 0 if method == "lora" or encodes else P
    expected, got = module.backbone(batch, module.method(3), "logits").logits_BTV, theirs(**batch).logits[:, in_front:]
    real = batch["attention_mask"].bool() if not encodes else slice(None)
    torch.testing.assert_close(got[real], expected[real], **CLOSE)
    batch = make_lm_batch(family, (6, 6))
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0, "eos_token_id": 1}
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    ours = module.backbone.generate(inputs, module.method(2), settings)
    assert torch.equal(theirs.generate(**inputs, **settings)[:, 0 if encodes else 6 :], ours)


@pytest.mark.parametrize("targets", ["qv", "linear"])
@pytest.mark.parametrize(
    ("family", "kind", "pooling"),
    [("bert", "cls", "pooler"), ("roberta", "cls", "dense"), ("bert", "tagging", "cls"), ("deberta-v2", "cls", "cls")],
)
@torch.no_grad()
def test_lora_takes_its_head_along(family, kind, pooling, targets, tmp_path):
    """DeBERTa's own model pools otherwise than the trained head: there the states are compared."""
    path = encoder_artifact(family, tmp_path, kind, method="lora", lora={"targets": targets}, head={"pooling": pooling})
    exported = ptv2.export(path, "peft", tmp_path / "peft")
    module, batch = load(path), {k: v for k, v in make_batch(family).items() if k != "token_type_ids"}
    left_out = family == "deberta-v2"
    assert any("is left out" in note for note in exported.notes) == left_out
    auto = AutoModelForSequenceClassification if kind == "cls" else AutoModelForTokenClassification
    model = (
        AutoModel.from_pretrained(tmp_path / "backbone")
        if left_out
        else auto.from_pretrained(tmp_path / "backbone", num_labels=3)
    )
    theirs = PeftModel.from_pretrained(model, tmp_path / "peft").eval()(**batch)
    (head,) = module.heads.values()
    states = module.backbone(batch, module.method(3))
    expected, got = (states.last_BTD, theirs.last_hidden_state) if left_out else (head(states), theirs.logits)
    real = batch["attention_mask"].bool() if got.dim() == 3 else slice(None)
    torch.testing.assert_close(got[real], expected[real], **CLOSE)
    names = written(tmp_path / "peft")["target_modules"]
    assert (family, targets) != ("bert", "qv") or names == ["query", "value"]


def test_lora_adapts_no_layer_of_the_head(tmp_path):
    """RoBERTa's head has a layer `dense`, as its layers have: named in full, these are meant alone."""
    path = encoder_artifact("roberta", tmp_path, method="lora", lora={"targets": "linear"}, head={"pooling": "dense"})
    ptv2.export(path, "peft", tmp_path / "peft")
    names = [name for name in load_file(tmp_path / "peft" / "adapter_model.safetensors") if "lora_A" in name]
    assert names and all(name.startswith("base_model.model.roberta.encoder.layer.") for name in names)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    theirs = PeftModel.from_pretrained(model, tmp_path / "peft")
    assert sum(name.endswith(".lora_A") for name, _ in theirs.named_modules()) == len(names)


@pytest.mark.parametrize(
    ("family", "sharing"),
    [("bert", "shared"), ("bert", "task"), ("bert", "shared+task"), ("albert", "shared"), ("albert-groups", "shared")],
)
@torch.no_grad()
def test_vectors_at_the_input_of_an_encoder(family, sharing, tmp_path):
    path = encoder_artifact(family, tmp_path, method="prompt", prompt={"sharing": sharing}, head={"pooling": "pooler"})
    exported = ptv2.export(path, "peft", tmp_path / "peft")
    assert "is left out: it reads a token of the text by its place" in exported.notes[0]
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(tmp_path / "backbone"), tmp_path / "peft").eval()
    module, batch = load(path), {k: v for k, v in make_batch(family).items() if k != "token_type_ids"}
    real = batch["attention_mask"].bool()
    expected = module.backbone(batch, module.method(3)).last_BTD
    torch.testing.assert_close(theirs(**batch).last_hidden_state[:, P:][real], expected[real], **CLOSE)


@torch.no_grad()
def test_vectors_at_the_input_take_a_tagger_along(tmp_path):
    path = encoder_artifact("bert", tmp_path, "tagging", method="prompt")
    assert len(ptv2.export(path, "peft", tmp_path / "peft").notes) == 1
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    theirs = PeftModel.from_pretrained(model, tmp_path / "peft").eval()
    module, batch = load(path), {k: v for k, v in make_batch("bert").items() if k != "token_type_ids"}
    (head,) = module.heads.values()
    real = batch["attention_mask"].bool()
    expected = head(module.backbone(batch, module.method(3)))
    torch.testing.assert_close(theirs(**batch).logits[:, P:][real], expected[real], **CLOSE)


@pytest.mark.parametrize("method", ["prompt", "lora"])
def test_it_comes_back_as_it_went(method, tmp_path):
    path = encoder_artifact("bert", tmp_path, "tagging", method=method)
    ptv2.export(path, "peft", tmp_path / "peft")
    ptv2.convert(tmp_path / "peft", read_artifact(path).config, tmp_path / "back")
    ours, back = load(path), load(tmp_path / "back")
    held, again = ours.method.exported(), back.method.exported()
    assert list(held) == list(again) and all(torch.equal(held[name], again[name]) for name in held)
    for (name, tensor), (other, same) in zip(
        ours.heads.state_dict().items(), back.heads.state_dict().items(), strict=True
    ):
        assert name == other and torch.equal(tensor, same)


REFUSED = [
    ("llama", {"method": "ia3"}, r"method 'ia3', and form 'peft' holds one prefix, prompt .* or LoRA; use ptv2\.load"),
    ("gpt2", {"method": "bitfit"}, "holds method 'bitfit', and form 'peft' holds .*; use --form transformers"),
    ("llama", {"method": ["deep", "lora"]}, "the low-rank matrices were trained beside the prompt"),
    ("gpt2", {"method": ["deep", "bitfit"], "prompt": {"position_offset": True}}, "the biases were trained beside"),
    ("llama", {"method": ["prompt", "lora"]}, r"holds method .*, and form 'peft' holds one .*; use ptv2\.load"),
]


@pytest.mark.parametrize(("family", "changes", "says"), REFUSED)
def test_what_peft_has_no_room_for_is_refused(family, changes, says, tmp_path):
    path = lm_artifact(family, tmp_path, **changes)
    with pytest.raises(ptv2.UserError, match=says):
        ptv2.export(path, "peft", tmp_path / "peft")
    assert not (tmp_path / "peft").exists()


@pytest.mark.parametrize("form", ["kv", "cartridge", "llama-state"])
@pytest.mark.parametrize("method", ["lora", "prompt"])
def test_a_form_of_keys_and_values_names_the_one_that_holds_others(method, form, tmp_path):
    path = lm_artifact("llama", tmp_path, method=method)
    with pytest.raises(ptv2.UserError, match=f"and form '{form}' holds keys and values alone; use --form peft$"):
        ptv2.export(path, form, tmp_path / "out")


@pytest.mark.parametrize("form", ["kv", "cartridge", "llama-state"])
def test_what_was_trained_beside_the_prompt_is_not_lost_in_silence(form, tmp_path):
    path = lm_artifact("llama", tmp_path, method=["deep", "lora"])
    with pytest.raises(ptv2.UserError, match=f"trained beside the prompt, and form '{form}' has no room"):
        ptv2.export(path, form, tmp_path / "out")


TEMPLATE = {
    "template": "{prompt:2} {text} {prompt:2} {mask}",
    "verbalizer": {"no": "bad", "so": "fine", "yes": "good"},
}
REFUSED_OF_ENCODERS = [
    ({"method": "prompt", "prompt": {"ensemble": 2}}, "is an ensemble of 2 prompts, and PEFT reads a row with one"),
    ({"method": "ptuning", "ptuning": TEMPLATE}, "its virtual tokens stand where a template says"),
    ({"method": "ptuning", "ptuning": {"tune_backbone": True}}, "the backbone was trained beside the virtual tokens"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED_OF_ENCODERS)
def test_ensembles_templates_and_trained_backbones_are_refused(changes, says, tmp_path):
    save_without_pooler("bert", tmp_path / "backbone")
    path = encoder_artifact("bert", tmp_path, **changes)
    with pytest.raises(ptv2.UserError, match=says):
        ptv2.export(path, "peft", tmp_path / "peft")


@pytest.mark.parametrize("family", ["albert", "albert-groups"])
def test_lora_of_layers_that_run_at_several_depths_is_refused(family, tmp_path):
    """PEFT loads it on `from_pretrained`, where a group of layers has one LoRA for all of its depths."""
    path = encoder_artifact(family, tmp_path, "tagging", method="lora")
    with pytest.raises(ptv2.UserError, match="family 'albert' runs a layer at several depths"):
        ptv2.export(path, "peft", tmp_path / "peft")
    assert not (tmp_path / "peft").exists()


@torch.no_grad()
def test_lora_of_an_albert_with_a_layer_for_every_depth_goes_along(tmp_path):
    make_model("albert", num_hidden_groups=3).save_pretrained(tmp_path / "backbone")
    make_tokenizer("albert").save_pretrained(tmp_path / "backbone")
    path = encoder_artifact("albert", tmp_path, "tagging", method="lora")
    ptv2.export(path, "peft", tmp_path / "peft")
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "backbone", num_labels=3)
    theirs = PeftModel.from_pretrained(model, tmp_path / "peft").eval()
    module, batch = load(path), {k: v for k, v in make_batch("albert").items() if k != "token_type_ids"}
    (head,) = module.heads.values()
    real = batch["attention_mask"].bool()
    expected = head(module.backbone(batch, module.method(3)))
    torch.testing.assert_close(theirs(**batch).logits[real], expected[real], **CLOSE)


@pytest.mark.parametrize("method", ["prompt", "lora"])
def test_they_are_no_cartridges(method, tmp_path):
    path = lm_artifact("llama", tmp_path, method=method)
    with pytest.raises(ptv2.UserError, match=f"holds method '{method}', and a cartridge holds keys and values alone"):
        ptv2.export(path, "peft-cartridge", tmp_path / "peft")
