"""A backbone of int8 weights: its outputs stay close, prompts learn through it, its linear weights take a quarter."""

from typing import Any

import pytest
import torch
from families import (
    FAMILIES,
    make_batch,
    make_model,
    make_prompt,
    make_tokenizer,
    open_gates,
    real,
    save_backbone,
    stir,
)
from seq2seq_models import loaded_tokenizer, make_lm, make_lm_backbone, make_lm_batch, make_lm_prompt
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

pytest.importorskip("torchao")
pytestmark = pytest.mark.filterwarnings("ignore:.*has no SDPA in transformers")

from ptv2.backbone import Backbone, load_backbone  # noqa: E402
from ptv2.backbone.quantize import Int8Linear, check_quantize, quantize  # noqa: E402
from ptv2.config.schema import BackboneConfig  # noqa: E402
from ptv2.errors import UserError  # noqa: E402

# A weight is off by at most 1/254 of the largest of its row; tiny random models of large weights show it more than
# trained ones (0.03 for MiniLM-L6).
CLOSE = 0.05


def make_backbones(family: str, **changes: Any) -> tuple[Backbone, Backbone]:
    """The family's backbone, and the same one quantised."""
    plain, packed = make_model(family, **changes), make_model(family, **changes)
    quantize(packed, "int8")
    return Backbone(plain, make_tokenizer(family)), Backbone(packed, make_tokenizer(family))


def make_lms(family: str) -> tuple[Backbone, Backbone]:
    packed = make_lm(family)
    quantize(packed, "int8")
    return make_lm_backbone(family), Backbone(packed, loaded_tokenizer(family), family)


def apart(ours: Tensor, expected: Tensor) -> float:
    """Relative distance."""
    return ((ours - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("form", ["kv", "hidden"])
@pytest.mark.parametrize("family", FAMILIES)
def test_states_and_gradients_stay_close(family, form):
    batch, states, gradients = make_batch(family), [], []
    for backbone in make_backbones(family):
        prompt = open_gates(make_prompt(backbone, std=0.5, form=form, gate=True), 1.0)
        states.append(real(backbone(batch, prompt(3)).last_BTD, batch))
        states[-1].pow(3).mean().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in prompt.parameters()]))
        assert {parameter.dtype for parameter in prompt.parameters()} == {torch.float32}
    assert 0 < apart(states[1], states[0]) < CLOSE
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "t5", "bart"])
@torch.no_grad()
def test_logits_and_generated_text_stay_close(family):
    plain, packed = make_lms(family)
    batch, prompt = make_lm_batch(family), make_lm_prompt(plain)
    mask = batch["labels"] != -100 if "labels" in batch else batch["attention_mask"] == 1
    ours, expected = (backbone(batch, prompt(3), "logits").logits_BTV[mask] for backbone in (packed, plain))
    assert 0 < apart(ours, expected) < CLOSE

    sources = make_lm_batch(family, left=not plain.is_encoder_decoder)
    sources.pop("labels", None)
    texts = [b.generate(sources, prompt(3), {"max_new_tokens": 4, "do_sample": False}) for b in (plain, packed)]
    assert texts[0].shape[0] == 3 and torch.equal(texts[0][:, 0], texts[1][:, 0])


@pytest.mark.parametrize("family", ["bert", "albert", "modernbert"])
def test_gradient_checkpointing_changes_no_gradient(family):
    found = []
    for checkpointing in (False, True):
        _, backbone = make_backbones(family)
        if checkpointing:
            backbone.enable_gradient_checkpointing()
        prompt, batch = make_prompt(backbone.train()), make_batch(family)
        torch.manual_seed(7)
        real(backbone(batch, prompt(3)).last_BTD, batch).pow(3).mean().backward()
        found.append([parameter.grad for parameter in prompt.parameters()])
    for gradient, wanted in zip(*found, strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=0)


def test_the_backward_pass_keeps_no_copy_of_a_weight():
    """torchao's own multiplication keeps each weight dequantised until then."""
    kept: list[Tensor] = []
    _, backbone = make_backbones("bert")
    layer = next(module for module in backbone.modules() if isinstance(module, Int8Linear))
    states = torch.randn(2, 3, layer.in_features, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(states).sum().backward()
    assert not kept
    expected = layer.weight.dequantize().sum(dim=0).expand_as(states)
    torch.testing.assert_close(states.grad, expected, atol=1e-5, rtol=0)


def test_gradients_flow_in_bfloat16_too():
    model = make_model("bert").to(torch.bfloat16)
    quantize(model, "int8")
    backbone, batch = Backbone(model, make_tokenizer("bert")), make_batch("bert")
    prompt = make_prompt(backbone)
    states = backbone(batch, prompt(3)).last_BTD
    states.float().pow(3).mean().backward()
    assert states.dtype == torch.bfloat16 and {p.grad.dtype for p in prompt.parameters()} == {torch.float32}


SIZES = {
    "bert": (BertModel, BertConfig(hidden_size=256, num_hidden_layers=1, num_attention_heads=4, vocab_size=50)),
    "gpt2": (GPT2Model, GPT2Config(n_embd=256, n_layer=1, n_head=4, vocab_size=50)),  # its weights lie transposed
}


@pytest.mark.parametrize("family", SIZES)
def test_linear_weights_take_a_quarter(family):
    kind, config = SIZES[family]
    model = kind(config)
    matrices = [name for name, weight in model.named_parameters() if weight.dim() == 2 and "emb" not in name]
    matrices = [name for name in matrices if not name.startswith(("wte", "wpe"))]
    before = {name: tensor.nbytes for name, tensor in model.state_dict().items()}
    counted = sum(parameter.numel() for parameter in model.parameters())
    packed = quantize(model, "int8")
    after = {name: tensor.nbytes for name, tensor in model.state_dict().items()}

    layers = {name.removesuffix("weight") for name in matrices}
    others = [name for name in before if name not in matrices]
    assert all(after[name] == before[name] for name in others)
    linear = sum(size for name, size in after.items() if name not in others)
    assert {name for name in after if name not in others and not any(map(name.startswith, layers))} == set()
    assert 3.9 < sum(before[name] for name in matrices) / linear < 4
    assert packed + sum(parameter.numel() for parameter in model.parameters()) == counted


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_embeddings_and_the_output_layer_stay_as_they_are(family):
    _, packed = make_lms(family)
    model, plain = packed.model, make_lm(family)
    assert torch.equal(model.get_output_embeddings().weight, plain.get_output_embeddings().weight)
    assert torch.equal(model.get_input_embeddings().weight, plain.get_input_embeddings().weight)
    assert type(model.get_output_embeddings()) is nn.Linear
    assert not [m for m in model.modules() if type(m) is nn.Linear and m is not model.get_output_embeddings()]


def test_albert_has_one_copy_of_its_shared_weights():
    _, packed = make_backbones("albert")
    tensors = {buffer.data_ptr() for name, buffer in packed.named_buffers() if name.endswith("query.qdata")}
    assert len(packed.sites) == 3 and len(tensors) == 1


def test_it_is_loaded_by_its_key_with_the_fingerprint_of_the_weights_before(tmp_path):
    folder = str(save_backbone("roberta", tmp_path))
    plain, packed = (load_backbone(BackboneConfig(folder, quantize=kind)) for kind in (None, "int8"))
    assert packed.fingerprint == plain.fingerprint and packed.stored == plain.stored
    assert any(isinstance(module, Int8Linear) for module in packed.modules())
    assert not any(parameter.requires_grad for parameter in packed.parameters())


def test_weights_that_were_drawn_at_random_stay_as_they_are():
    """An artifact holds them, RoBERTa's pooler for one."""
    model = stir(make_model("roberta"))
    quantize(model, "int8", fresh=["pooler.dense.weight", "pooler.dense.bias"])
    assert type(model.pooler.dense) is nn.Linear
    assert isinstance(model.encoder.layer[0].output.dense, Int8Linear)


def test_one_compiled_graph_serves_it():
    torch.compiler.reset()
    counter, (_, backbone) = CompileCounter(), make_backbones("bert", num_hidden_layers=2)
    batches = [make_batch("bert", lengths) for lengths in ((9, 6, 3), (12, 8), (7, 7, 7, 7))]
    prompt = make_prompt(backbone)
    with torch.no_grad():
        expected = [backbone(batch, prompt(len(batch["input_ids"]))).last_BTD for batch in batches]
        backbone.model.compile(dynamic=True, backend=counter)
        for batch, wanted in zip(batches, expected, strict=True):
            torch.testing.assert_close(backbone(batch, prompt(len(wanted))).last_BTD, wanted, atol=1e-5, rtol=0)
    assert counter.frame_count == 1
    torch.compiler.reset()


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"int8 needs torchao, which is not installed; run: pip install 'ptv2\[quan"):
        check_quantize("int8")
    with pytest.raises(UserError, match=r"int4 needs bitsandbytes, which is not installed; run: pip install 'ptv2\[q"):
        check_quantize("int4")
