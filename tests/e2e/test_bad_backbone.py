"""Backbones that cannot be used, and prompts that do not fit one: one line, and nothing written."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from scene import files
from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel


@pytest.fixture
def refused(ptv2, write_config, tmp_path):
    """Run fit, which must refuse; the one line it says."""

    def run(*argv, task="topics"):
        said = ptv2("fit", "--config", write_config(task), *argv)
        assert said.code == 2 and len(said.err.splitlines()) == 1, said
        assert not (tmp_path / "runs").exists()
        return said.err.removeprefix("error: ").strip()

    return run


@pytest.fixture
def copied(tiny_bert, tmp_path):
    return shutil.copytree(tiny_bert, tmp_path / "bert")


def test_a_family_that_cannot_be_prompted(refused, tokenizer, tmp_path):
    config = MPNetConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    MPNetModel(config).save_pretrained(tmp_path / "mpnet")
    tokenizer.save_pretrained(tmp_path / "mpnet")
    said = refused(f"backbone.name={tmp_path}/mpnet")
    assert said.startswith("backbone.name: backbone family 'mpnet' does not use transformers' attention interface")
    assert "families that can: bert, roberta, xlm-roberta, electra, distilbert, albert, modernbert" in said


def test_a_folder_without_weights(refused, copied):
    (copied / "model.safetensors").unlink()
    assert refused(f"backbone.name={copied}").startswith(f"backbone.name: cannot load '{copied}'")


def test_a_folder_with_half_of_the_weights(refused, copied):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert refused(f"backbone.name={copied}").startswith(f"backbone.name: cannot load '{copied}'")


def test_a_folder_without_a_tokenizer(refused, copied):
    for file in copied.glob("token*"):
        file.unlink()
    said = refused(f"backbone.name={copied}")
    assert said.startswith(f"backbone.name: cannot load '{copied}' (it has no vocabulary); check the name")


def test_a_folder_of_a_family_that_nobody_knows(refused, copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"model_type": "bort5"}))
    assert refused(f"backbone.name={copied}").startswith(f"backbone.name: cannot load '{copied}'")


def test_weights_of_another_shape(refused, copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"intermediate_size": 8}))
    assert "weights of another shape than its config.json says" in refused(f"backbone.name={copied}")


def test_weights_of_another_model(refused, copied):
    save_file({"encoder.weight": torch.zeros(2)}, copied / "model.safetensors", metadata={"format": "pt"})
    assert "its weights are not those of a bert" in refused(f"backbone.name={copied}")


def test_a_hub_that_does_not_answer(spawn, write_config, tmp_path):
    said = spawn("fit", "--config", write_config(), "backbone.name=bert-base-cased")
    assert said.code == 2 and said.out == "" and len(said.err.splitlines()) == 1
    missing = "cannot load 'bert-base-cased' (HF_HUB_OFFLINE is set, and it is not in the cache)"
    do = "fetch it with python -m ptv2.prepare where there is a network, or give a local folder, or demo:minilm-l6"
    assert said.err == f"error: backbone.name: {missing}; {do}\n"
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def prompts_of(finished):
    """The `prompt.init` that starts from the finished run on topics."""
    return f"prompt.init=artifact:{finished('topics')}"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "prompt.length=6",
            "form 'kv' with 3 layers of (4, 32), the config asks for form 'kv' with 3 layers of (6, 32)",
        ),
        ("prompt.layers=top:2", "the config asks for form 'kv' with 2 layers of (4, 32)"),
        ("prompt.form=hidden", "the config asks for form 'hidden' with 3 layers of (4, 16)"),
    ],
)
def test_an_earlier_prompt_of_another_shape(refused, prompts_of, finished, override, says):
    before = files(finished("topics"))
    said = refused(prompts_of, override, "run.name=later")
    assert says in said and said.endswith("set prompt.form, prompt.length and prompt.layers to the artifact's values")
    assert files(finished("topics")) == before


def test_an_earlier_prompt_through_a_projection(refused, prompts_of):
    said = refused(prompts_of, "prompt.projection=4", "run.name=later")
    assert "cannot be put through a projection; use init=normal, text:<words> or vocab, or projection=null" in said


def test_an_earlier_prompt_of_another_backbone(refused, prompts_of, tokenizer, tmp_path):
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    said = refused(prompts_of, f"backbone.name={tmp_path}/bert", "run.name=later")
    assert "was made for backbone" in said and "whose weights differ from those of" in said


def test_a_run_without_a_prompt_gives_none(ptv2, refused, write_config, tmp_path):
    assert ptv2("fit", "--config", write_config(), "method=head", f"run.folder={tmp_path}/heads").code == 0
    said = refused(f"prompt.init=artifact:{tmp_path}/heads/topics")
    assert "holds no prompt, the config asks for" in said
