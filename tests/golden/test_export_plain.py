"""Exported to `transformers` and `kv`, an artifact computes without ptv2 what it does with it."""

import json

import pytest
import torch
import yaml
from exchanged import encoder_artifact, lm_artifact, states_of
from families import make_batch
from safetensors.torch import load_file
from seq2seq_models import make_lm_batch
from training import load
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DynamicCache,
)

import ptv2

CLOSE = {"atol": 1e-4, "rtol": 1e-5}
SLOTS_AND_VALUES = {"form": ["slots", "values"]}
ENCODERS = ["bert", "roberta", "electra", "distilbert", "albert", "albert-groups", "modernbert", "deberta-v2"]


@pytest.mark.parametrize("family", ENCODERS)
@torch.no_grad()
def test_slots_and_value_maps_are_plain_weights_of_an_encoder(family, tmp_path):
    path, batch = encoder_artifact(family, tmp_path, prompt=SLOTS_AND_VALUES), make_batch(family)
    ptv2.export(path, "transformers", tmp_path / "plain")
    model = AutoModel.from_pretrained(tmp_path / "plain")
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(model(**batch).last_hidden_state[mask], states_of(path, batch)[mask], **CLOSE)
    width = {"distilbert": "hidden_dim"}.get(family, "intermediate_size")
    before = getattr(AutoConfig.from_pretrained(tmp_path / "backbone"), width)
    assert getattr(AutoConfig.from_pretrained(tmp_path / "plain"), width) == before + 4
    assert len(AutoTokenizer.from_pretrained(tmp_path / "plain")) > 90


@pytest.mark.parametrize("family", ["t5", "mt5", "bart", "gpt2", "llama", "qwen3", "mistral"])
@torch.no_grad()
def test_slots_and_value_maps_are_plain_weights_of_a_language_model(family, tmp_path):
    path, batch = lm_artifact(family, tmp_path, prompt=SLOTS_AND_VALUES), make_lm_batch(family)
    ptv2.export(path, "transformers", tmp_path / "plain")
    auto = AutoModelForSeq2SeqLM if "labels" in batch else AutoModelForCausalLM
    model, module = auto.from_pretrained(tmp_path / "plain"), load(path)
    expected = module.backbone(batch, module.method(3), "logits").logits_BTV
    mask = (batch["labels"] != -100) if "labels" in batch else batch["attention_mask"].bool()
    torch.testing.assert_close(model(**batch).logits[mask], expected[mask], **CLOSE)


MERGED = {
    "slots of some layers": {"prompt": {"form": "slots", "layers": "top:2", "length": [3, 6]}},
    "queries": {"prompt": {"form": "queries"}},
    "lora": {"method": "lora"},
    "slots and lora": {"method": ["deep", "lora"], "prompt": {"form": "slots"}},
    "bitfit": {"method": "bitfit"},
    "slots, values and bitfit": {"method": ["deep", "bitfit"], "prompt": {"form": ["slots", "values"]}},
}


@pytest.mark.parametrize("name", MERGED)
@torch.no_grad()
def test_so_is_a_whole_classifier(name, tmp_path):
    path = encoder_artifact("bert", tmp_path, head={"pooling": "pooler"}, **MERGED[name])
    exported = ptv2.export(path, "transformers", tmp_path / "plain")
    assert [note.partition(":")[0] for note in exported.notes] == ["checked"]
    model, batch, module = (
        AutoModelForSequenceClassification.from_pretrained(tmp_path / "plain"),
        make_batch("bert"),
        load(path),
    )
    (head,) = module.heads.values()
    torch.testing.assert_close(model(**batch).logits, head(module.backbone(batch, module.method(3))), **CLOSE)
    assert list(model.config.id2label.values()) == ["no", "so", "yes"]


@pytest.mark.parametrize("family", ["albert", "albert-groups"])
@torch.no_grad()
def test_lora_of_a_layer_that_runs_at_several_depths_is_merged_at_each(family, tmp_path):
    path, batch = encoder_artifact(family, tmp_path, method="lora"), make_batch(family)
    ptv2.export(path, "transformers", tmp_path / "plain")
    model, mask = AutoModel.from_pretrained(tmp_path / "plain"), batch["attention_mask"].bool()
    torch.testing.assert_close(model(**batch).last_hidden_state[mask], states_of(path, batch)[mask], **CLOSE)


REFUSED = [
    ({"prompt": {"form": "kv"}}, "keys and values in attention are positions, not weights"),
    ({"prompt": {"form": ["slots", "memory"]}}, "a memory is read by the queries beside the softmax"),
    ({"method": "ia3"}, "method 'ia3' has scales inside of layers"),
    ({"method": "adapter"}, "method 'adapter' has layers of its own"),
    ({"method": "prompt"}, "method 'prompt' puts vectors at the input"),
]


@pytest.mark.parametrize(("settings", "says"), REFUSED)
def test_what_is_no_weight_is_refused(settings, says, tmp_path):
    path = encoder_artifact("bert", tmp_path, **settings)
    with pytest.raises(ptv2.UserError, match=says):
        ptv2.export(path, "transformers", tmp_path / "plain")
    assert not (tmp_path / "plain").exists()


def test_a_map_of_rotary_queries_is_refused(tmp_path):
    path = lm_artifact("llama", tmp_path, prompt={"form": "queries"})
    with pytest.raises(ptv2.UserError, match="family 'llama' has layers that these forms do not merge into"):
        ptv2.export(path, "transformers", tmp_path / "plain")


# -- keys and values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [{}, {"position_offset": True}, {"form": "hidden"}])
@torch.no_grad()
def test_keys_and_values_fill_a_cache(prompt, tmp_path):
    path, batch = lm_artifact("llama", tmp_path, prompt=prompt), make_lm_batch("llama", (7,))
    ptv2.export(path, "kv", tmp_path / "kv")
    held, about = load_file(tmp_path / "kv" / "kv.safetensors"), json.loads((tmp_path / "kv" / "kv.json").read_text())
    assert {name: tuple(t.shape) for name, t in held.items()} == {f"decoder.{i}": (2, 2, 4, 8) for i in range(2)}
    assert (about["first_position"], about["task"], about["layers"][1]["positions"]) == (4, "text", 4)
    cache = DynamicCache()
    for i in range(2):
        cache.update(held[f"decoder.{i}"][0][None], held[f"decoder.{i}"][1][None], i)
    model, module = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone"), load(path)
    logits = model(batch["input_ids"], past_key_values=cache).logits
    torch.testing.assert_close(logits, module.backbone(batch, module.method(1), "logits").logits_BTV, **CLOSE)


def test_where_positions_cannot_be_moved_the_file_says_so(tmp_path):
    exported = ptv2.export(encoder_artifact("bert", tmp_path), "kv", tmp_path / "kv")
    assert json.loads((tmp_path / "kv" / "kv.json").read_text())["first_position"] == 0
    assert exported.notes[0].startswith("tokens begin at position 0, beside the keys: ")
    assert "is left out: the form holds keys and values alone" in exported.notes[1]


@pytest.mark.parametrize(("family", "length"), [("mistral", 4), ("gpt2", [2, 4])])
def test_or_it_says_that_they_begin_behind_the_prompt_as_they_were_trained(family, length, tmp_path):
    path = lm_artifact(family, tmp_path, prompt={"position_offset": True, "length": length})
    exported = ptv2.export(path, "kv", tmp_path / "kv")
    assert json.loads((tmp_path / "kv" / "kv.json").read_text())["first_position"] == 4
    assert exported.notes[0].startswith("tokens begin at position 4, beside the keys: ")


def test_an_encoder_decoder_has_a_tensor_for_each_place(tmp_path):
    path = lm_artifact("t5", tmp_path, prompt={"length": {"encoder": 3, "decoder": 2, "cross": 0}})
    ptv2.export(path, "kv", tmp_path / "kv")
    held = load_file(tmp_path / "kv" / "kv.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in held.items()} == {
        **{f"encoder.{i}": (2, 4, 3, 8) for i in range(2)},
        **{f"decoder.{i}": (2, 4, 2, 8) for i in range(2)},
    }


@torch.no_grad()
def test_a_cartridge_fills_a_cache(tmp_path):
    path, batch = lm_artifact("llama", tmp_path, prompt={"length": 16}), make_lm_batch("llama", (7,))
    ptv2.export(path, "cartridge", tmp_path / "cartridge")
    held = torch.load(tmp_path / "cartridge" / "cartridge.pt", weights_only=True)  # plain tensors in lists
    assert [tuple(held[f"{part}_keys"][1].shape) for part in ("frozen", "trainable")] == [(1, 2, 1, 8), (1, 2, 15, 8)]
    cache = DynamicCache()
    for i in range(2):
        keys, values = (
            torch.cat([held[f"{part}_{of}"][i] for part in ("frozen", "trainable")], dim=2) for of in ("keys", "values")
        )
        cache.update(keys, values, i)
    model, module = AutoModelForCausalLM.from_pretrained(tmp_path / "backbone"), load(path)
    logits = model(batch["input_ids"], past_key_values=cache).logits
    torch.testing.assert_close(logits, module.backbone(batch, module.method(1), "logits").logits_BTV, **CLOSE)
    about = yaml.safe_load((tmp_path / "cartridge" / "config.yaml").read_text())
    assert about["kv_cache_initializer"]["max_tokens"] == 16


def test_a_cartridge_that_leaves_a_page_half_empty_is_refused(tmp_path):
    path = lm_artifact("llama", tmp_path)
    with pytest.raises(ptv2.UserError, match="has 4 positions, and Tokasaurus fills whole pages of 16"):
        ptv2.export(path, "cartridge", tmp_path / "cartridge")


def test_layers_of_unlike_lengths_keep_their_positions_and_say_so(tmp_path):
    path = encoder_artifact("bert", tmp_path, prompt={"length": [2, 3, 4]})
    exported = ptv2.export(path, "kv", tmp_path / "kv")
    assert "tokens begin at position 0, beside the keys: layers have unlike numbers of positions" in exported.notes
