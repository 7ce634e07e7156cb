"""Families that need code of their own, from training to predictions: DeBERTa's attention, ALBERT's shared layers."""

import json

import pytest
import torch
from transformers import AlbertConfig, AutoModel, DebertaConfig, DebertaV2Config

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "initializer_range": 0.2,
}
POSITIONS = {"relative_attention": True, "pos_att_type": "p2c|c2p", "position_biased_input": False}
FAMILIES = {
    "deberta-v2": (DebertaV2Config, POSITIONS | {"share_att_key": True, "position_buckets": 8}),
    "deberta": (DebertaConfig, POSITIONS),
    "albert": (AlbertConfig, {"embedding_size": 16}),
}


@pytest.fixture(scope="module")
def saved(tokenizer, tmp_path_factory):
    """`saved("albert")`: a folder with a tiny random model of the family and the tokenizer."""

    def save(family):
        folder = tmp_path_factory.mktemp("families") / family
        config, changes = FAMILIES[family]
        torch.manual_seed(0)
        AutoModel.from_config(config(vocab_size=len(tokenizer), **SIZES | changes)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompt_is_trained_and_predicts_as_it_scored(
    family, checkpointing, ptv2, write_config, saved, cards, tmp_path
):
    backbone = {"name": str(saved(family)), "gradient_checkpointing": checkpointing}
    assert ptv2("fit", "--config", write_config("topics", backbone=backbone)).code == 0
    folder = tmp_path / "runs" / "topics"
    results = json.loads((folder / "results.json").read_text())
    assert results["scores"]["test"]["topics"]["accuracy"] > 0.6  # a majority is about one half

    said = ptv2("evaluate", "--artifact", folder, "--task", cards["topics"], "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["scores"] == results["scores"]["test"]["topics"]
    rows = cards["topics"].parent / "topics" / "test.jsonl"
    said = ptv2("predict", "--artifact", folder, "--input", rows)
    assert said.code == 0 and len(said.out.splitlines()) == 16
