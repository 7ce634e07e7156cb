"""A family that does not use transformers' attention interface is refused by name, with those that can be prompted."""

import pytest
import torch
from families import FAMILIES, VOCABULARY, make_backbone, make_tokenizer
from transformers import AutoModel, MPNetConfig, NystromformerConfig

from ptv2.backbone import Backbone, load_backbone
from ptv2.config.schema import BackboneConfig
from ptv2.errors import UserError

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
UNSUPPORTED = {"mpnet": MPNetConfig, "nystromformer": NystromformerConfig}
NAMED = ("bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert", "modernbert")


@pytest.mark.parametrize("family", UNSUPPORTED)
def test_it_is_refused_by_name(family):
    model = AutoModel.from_config(UNSUPPORTED[family](**SIZES)).eval()
    with pytest.raises(UserError) as error:
        Backbone(model, make_tokenizer("bert"), "somebody/their-model")
    assert f"backbone.name: backbone family '{family}'" in str(error.value)
    assert all(f" {name}," in str(error.value) for name in NAMED)
    assert "\n" not in str(error.value)


def test_also_when_it_is_loaded_from_a_folder(tmp_path):
    AutoModel.from_config(MPNetConfig(**SIZES)).save_pretrained(tmp_path)
    make_tokenizer("bert").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="'mpnet'"):
        load_backbone(BackboneConfig(name=str(tmp_path)))


def test_a_refused_model_is_left_as_it_was():
    model = AutoModel.from_config(MPNetConfig(**SIZES)).eval()
    ids = torch.randint(5, VOCABULARY, (2, 6))
    with torch.no_grad():
        before = model(ids).last_hidden_state
        with pytest.raises(UserError):
            Backbone(model, make_tokenizer("bert"))
        assert torch.equal(model(ids).last_hidden_state, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_named_ones_are_accepted(family):
    assert make_backbone(family).sites
