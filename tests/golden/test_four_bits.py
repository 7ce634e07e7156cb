"""A backbone of 4-bit NormalFloat weights: that of the rounded weights, and prompts learn through it.

bitsandbytes' kernels for CPUs are what runs here; those for GPUs are not tested.
"""

import pytest
import torch
from families import make_batch, make_model, make_prompt, make_tokenizer, real, save_backbone
from seq2seq_models import loaded_tokenizer, make_lm, make_lm_batch, make_lm_prompt
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model
from transformers.pytorch_utils import Conv1D

bitsandbytes = pytest.importorskip("bitsandbytes")
pytestmark = pytest.mark.filterwarnings("ignore:.*has no SDPA in transformers")

from ptv2.backbone import Backbone, load_backbone  # noqa: E402
from ptv2.backbone.quantize import quantize  # noqa: E402
from ptv2.config.schema import BackboneConfig  # noqa: E402

Linear4bit = bitsandbytes.nn.Linear4bit
quantize_4bit, dequantize_4bit = bitsandbytes.functional.quantize_4bit, bitsandbytes.functional.dequantize_4bit
EXACT = {"atol": 2e-4, "rtol": 2e-4}
ENCODERS = ["bert", "roberta", "albert", "distilbert", "electra", "modernbert", "deberta-v2"]


def packed(model, *fresh):
    quantize(model, "int4", fresh)
    return model


@torch.no_grad()
def rounded(model):
    """The plain model, with the values that its linear weights have in 4 bits."""
    output, done = model.get_output_embeddings(), set()
    for name, layer in model.named_modules():
        if name.endswith(".wo"):  # T5 asks that it stay as it is
            continue
        if isinstance(layer, (nn.Linear, Conv1D)) and layer is not output and id(layer) not in done:
            done.add(id(layer))
            weight_OI = layer.weight if isinstance(layer, nn.Linear) else layer.weight.T.contiguous()
            values_OI = dequantize_4bit(*quantize_4bit(weight_OI, quant_type="nf4", compress_statistics=True))
            layer.weight.copy_(values_OI if isinstance(layer, nn.Linear) else values_OI.T)
    return model


@pytest.mark.parametrize("family", ENCODERS)
def test_states_and_gradients_are_those_of_the_rounded_weights(family):
    batch, states, gradients = make_batch(family), [], []
    for model in (rounded(make_model(family)), packed(make_model(family))):
        backbone = Backbone(model, make_tokenizer(family))
        prompt = make_prompt(backbone, std=0.5)
        states.append(real(backbone(batch, prompt(3)).last_BTD, batch))
        states[-1].pow(3).mean().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in prompt.parameters()]))
    torch.testing.assert_close(states[1], states[0], **EXACT)
    torch.testing.assert_close(gradients[1], gradients[0], **EXACT)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "t5", "bart"])
@torch.no_grad()
def test_logits_are_those_of_the_rounded_weights(family):
    models = rounded(make_lm(family)), packed(make_lm(family))
    plain, small = (Backbone(model, loaded_tokenizer(family), family) for model in models)
    batch, prompt = make_lm_batch(family), make_lm_prompt(plain)
    mask = batch["labels"] != -100 if "labels" in batch else batch["attention_mask"] == 1
    ours, expected = (backbone(batch, prompt(3), "logits").logits_BTV[mask] for backbone in (small, plain))
    torch.testing.assert_close(ours, expected, **EXACT)


def test_a_validation_leaves_the_gradients_of_the_next_step(monkeypatch):
    """On processors with bfloat16, bitsandbytes would change its weights to a layout for inference alone."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    backbone, batch = Backbone(packed(make_model("bert")).eval(), make_tokenizer("bert")), make_batch("bert")
    prompt = make_prompt(backbone, std=0.5)
    with torch.no_grad():
        expected = backbone(batch, prompt(3)).last_BTD
    states = backbone(batch, prompt(3)).last_BTD
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=0)
    real(states, batch).pow(3).mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in prompt.parameters())


SIZES = {
    "bert": (BertModel, BertConfig(hidden_size=256, num_hidden_layers=1, num_attention_heads=4, vocab_size=50)),
    "gpt2": (GPT2Model, GPT2Config(n_embd=256, n_layer=1, n_head=4, vocab_size=50)),  # its weights lie transposed
}


@pytest.mark.parametrize("family", SIZES)
def test_linear_weights_take_an_eighth(family):
    kind, config = SIZES[family]
    model = kind(config)
    counted = sum(parameter.numel() for parameter in model.parameters())
    missing = quantize(model, "int4")
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert layers and not any(type(module) is nn.Linear for module in model.modules())
    for layer in layers:
        assert 8 * layer.weight.nbytes == 4 * layer.in_features * layer.out_features
    assert missing + sum(parameter.numel() for parameter in model.parameters()) == counted


def test_it_is_loaded_by_its_key_with_the_fingerprint_of_the_weights_before(tmp_path):
    folder = str(save_backbone("roberta", tmp_path))
    plain, small = (load_backbone(BackboneConfig(folder, quantize=kind)) for kind in (None, "int4"))
    assert small.fingerprint == plain.fingerprint and small.stored == plain.stored
    assert any(isinstance(module, Linear4bit) for module in small.modules())
    assert not any(parameter.requires_grad for parameter in small.parameters())
