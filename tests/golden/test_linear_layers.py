"""Which linear layer does what, in each family."""

import pytest
from families import make_backbone
from seq2seq_models import make_lm_backbone

from ptv2.backbone import Backbone
from ptv2.backbone.linear_layers import by_role, in_layers

BERT = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "first": "intermediate.dense",
    "second": "output.dense",
}
NAMES = {
    "bert": ("encoder.layer.", BERT),
    "electra": ("encoder.layer.", BERT),
    "distilbert": (
        "transformer.layer.",
        {
            "query": "attention.q_lin",
            "key": "attention.k_lin",
            "value": "attention.v_lin",
            "attention_output": "attention.out_lin",
            "first": "ffn.lin1",
            "second": "ffn.lin2",
        },
    ),
    "modernbert": (
        "layers.",
        {"query_key_value": "attn.Wqkv", "attention_output": "attn.Wo", "first": "mlp.Wi", "second": "mlp.Wo"},
    ),
    "gpt2": (
        "transformer.h.",
        {
            "query_key_value": "attn.c_attn",
            "attention_output": "attn.c_proj",
            "first": "mlp.c_fc",
            "second": "mlp.c_proj",
        },
    ),
    "llama": (
        "model.layers.",
        {
            "query": "self_attn.q_proj",
            "key": "self_attn.k_proj",
            "value": "self_attn.v_proj",
            "attention_output": "self_attn.o_proj",
            "first": "mlp.gate_proj",
            "second": "mlp.down_proj",
        },
    ),
}


def make(family: str) -> Backbone:
    return make_lm_backbone(family) if family in ("gpt2", "llama", "t5", "bart") else make_backbone(family)


@pytest.mark.parametrize("family", NAMES)
def test_each_role_has_a_layer_at_every_depth(family):
    backbone, (stack, roles) = make(family), NAMES[family]
    found = {role: list(layers) for role, layers in by_role(backbone.model, backbone.sites).items() if layers}
    assert found == {role: [f"{stack}{i}.{name}" for i in range(len(backbone.sites))] for role, name in roles.items()}


@pytest.mark.parametrize("family", ["albert", "albert-groups"])
def test_a_shared_layer_is_named_at_every_depth(family):
    backbone = make(family)
    found = by_role(backbone.model, backbone.sites)
    assert {role: len(layers) for role, layers in found.items() if layers} == dict.fromkeys(BERT, len(backbone.sites))


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_cross_attention_has_roles_and_no_feed_forward_layer(family):
    backbone = make(family)
    found = by_role(backbone.model, backbone.sites)
    attention = [found[role] for role in ("query", "key", "value", "attention_output")]
    assert [len(layers) for layers in attention] == [6] * 4  # two layers of encoder, decoder and cross attention
    assert len(found["first"]) == len(found["second"]) == 4


def test_the_layers_are_without_pooler_and_head():
    assert len(in_layers(make("bert").model)) == 3 * 6
    assert not any("lm_head" in name for name in in_layers(make("gpt2").model))
