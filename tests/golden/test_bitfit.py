"""BitFit moves biases and nothing else of the backbone, and starts as the bare model."""

import pytest
import torch
from families import FAMILIES, make_backbone, make_batch, make_model
from seq2seq_models import make_lm_backbone
from training import run_config, train

from ptv2.artifact.files import read_artifact, write_artifact
from ptv2.config.schema import BitFitConfig, Config, HeadConfig
from ptv2.errors import UserError
from ptv2.methods.bitfit import BitFit
from ptv2.model.artifact_of import artifact_of
from ptv2.model.build import build

WITH_BIASES = [family for family in FAMILIES if family != "modernbert"]


def names_of(method: BitFit, backbone) -> list[str]:
    own = {id(bias) for bias in method.trained()}
    return [name for name, parameter in backbone.model.named_parameters() if id(parameter) in own]


@pytest.mark.parametrize("family", WITH_BIASES)
def test_the_start_is_the_bare_model_to_the_bit(family):
    backbone, batch = make_backbone(family), make_batch(family)
    method = BitFit(Config(method="bitfit"), backbone).eval()
    with torch.no_grad():
        states = backbone(batch, method(3)).last_BTD
        assert torch.equal(states, make_model(family)(**batch).last_hidden_state)


@pytest.mark.parametrize("family", WITH_BIASES)
def test_training_changes_biases_alone(family, tmp_path):
    parts = build(run_config(family, tmp_path, method="bitfit"))
    before = {name: tensor.clone() for name, tensor in parts.module.backbone.model.state_dict().items()}
    train(parts)
    write_artifact(artifact_of(parts.module, {}, tmp_path / "prompt"), tmp_path / "prompt")

    after = parts.module.backbone.model.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed and all(name.endswith("bias") for name in changed)
    trained = {name for name, p in parts.module.backbone.model.named_parameters() if p.requires_grad}
    assert trained and not any(name.startswith("pooler") for name in trained)
    kept = {name for name in read_artifact(tmp_path / "prompt").weights if not name.startswith("heads.")}
    assert kept == {f"backbone.model.{name}" for name in trained}


SUBSETS = {
    "query": ["attention.self.query.bias"],
    "attention_output": ["attention.output.dense.bias"],
    "first": ["intermediate.dense.bias"],
    "second": ["output.dense.bias"],
    "layernorm": ["attention.output.LayerNorm.bias", "output.LayerNorm.bias"],
}


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_subset_is_of_the_layers_that_do_one_thing(subset):
    backbone = make_backbone("bert")
    method = BitFit(Config(method="bitfit", bitfit=BitFitConfig([subset])), backbone)
    wanted = {f"encoder.layer.{i}.{name}" for i in range(3) for name in SUBSETS[subset]}
    wanted |= {"embeddings.LayerNorm.bias"} if subset == "layernorm" else set()
    assert set(names_of(method, backbone)) == wanted


def test_subsets_are_joined():
    backbone = make_backbone("roberta")
    method = BitFit(Config(method="bitfit", bitfit=BitFitConfig(["query", "second"])), backbone)
    assert len(names_of(method, backbone)) == 2 * 3 and sum(b.numel() for b in method.trained()) == 2 * 3 * 32


def test_the_pooler_trains_where_heads_read_it():
    backbone = make_backbone("bert")
    method = BitFit(Config(method="bitfit", head=HeadConfig(pooling="pooler")), backbone)
    assert "pooler.dense.bias" in names_of(method, backbone)


REFUSED = [
    ("t5", "all", "method: backbone family 't5' has no biases: its linear layers and norms do without"),
    ("llama", "all", "method: backbone family 'llama' has no biases"),
    ("gpt2", ["query"], "bitfit.biases: backbone family 'gpt2' has no biases of 'query' alone: one layer makes"),
    ("bert", ["qurey"], "bitfit.biases: no subset 'qurey' of the biases; did you mean 'query'?"),
    ("bert", ["query", "query"], "bitfit.biases: 'query' is named twice; name each once"),
    ("bert", [], "bitfit.biases: '[]' is not a name or a list of names; use all, or some of query, "),
]


@pytest.mark.parametrize(("family", "biases", "says"), REFUSED)
def test_what_a_family_does_not_have_is_refused(family, biases, says):
    backbone = make_backbone(family) if family == "bert" else make_lm_backbone(family)
    with pytest.raises(UserError) as error:
        BitFit(Config(method="bitfit", bitfit=BitFitConfig(biases)), backbone)
    assert str(error.value).startswith(says)


def test_half_precision_is_refused(tmp_path):
    config = run_config("bert", tmp_path, method="bitfit", backbone={"dtype": "bfloat16"})
    with pytest.raises(UserError, match=r"backbone.dtype: method 'bitfit' trains the backbone, which is bfloat16; use"):
        build(config)
